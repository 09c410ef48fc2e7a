"""The networks that Triton runs, what they return, and how they fail."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy.typing as npt

from inference.picture import Size

Tensor = npt.NDArray[Any]
"""N x channels x height x width, uint8 or float32."""
FLOAT_SUFFIX = "_float"
"""Ends the name of the variant that takes and returns float32."""


class Answer(NamedTuple):
    """A network's result for one tile."""

    upscaled: Tensor
    """1 x 3 x (scale * height) x (scale * width), with the type of the input."""
    uncertainty: Tensor | None = None
    """1 x 1 x height x width, uint8: above 0 where the network failed. None from networks that have no such
    map.
    """
    precision: str = ""
    """The precision in which the network computed: `f32`, `f16` or `bf16`. Empty if Triton does not say."""


Infer = Callable[..., Awaitable[Answer]]
"""Runs the network of the first argument on the tensor of the second one, 1 x 3 x height x width.

A network that takes means over the picture needs more: see `tiling.picture_means`.
"""


@dataclass(frozen=True, slots=True)
class Network:
    """A network at Triton, applied once or, for a larger scale, several times in a row."""

    name: str
    scale: int
    """The scale of all passes together."""
    overlap: int
    """Pixels of the input around a tile that are upscaled with it and then cut off. At least the network's
    reach, so that no seam shows.
    """
    passes: int = 1
    fallback: "Network | None" = None
    """Replaces this network's result where its uncertainty map is above 0. It has the same scale."""
    then: str = ""
    """The network of all passes but the first. Empty: the same one."""
    is_lazy: bool = False
    """Whether Triton loads it when it is first used. It takes floats for pictures of 8 bits too."""
    pooled: tuple[int, ...] = ()
    """The channels of each of its layers that take the mean over the whole picture."""
    largest_tile: int = 0
    """Longest side of a tile in pixels of the original; 0: as large as the worker likes."""
    step: int = 1
    """Tiles begin at multiples of this, 1 or 2, or the result would depend on the place of a tile."""

    @property
    def is_even(self) -> bool:
        """Whether tiles must begin at even pixels, and pictures must have even sides."""
        return bool(self.pooled) or self.step > 1

    @property
    def float_name(self) -> str:
        """The variant for pictures of 16 bits, which takes and returns float32."""
        return self.name + FLOAT_SUFFIX

    @property
    def names(self) -> tuple[str, ...]:
        """The networks that Triton must have, fallbacks left out."""
        names = dict.fromkeys(filter(None, (self.name, self.then)))
        if self.is_lazy:
            return tuple(name + FLOAT_SUFFIX for name in names)
        return tuple(full for name in names for full in (name, name + FLOAT_SUFFIX))

    def name_of_pass(self, index: int, *, is_float: bool) -> str:
        """Return Triton's name of the network that runs the pass with this number, counted from 0."""
        name = self.then if index and self.then else self.name
        return name + FLOAT_SUFFIX if is_float else name

    @property
    def pass_scale(self) -> int:
        """The scale of one pass."""
        return round(self.scale ** (1 / self.passes))


def smallest_network(networks: Sequence[Network], source: Size, target: Size) -> Network:
    """Return the network with the smallest scale that reaches the target, because resampling must never
    enlarge.

    Raises `ValueError` if no scale is large enough.
    """
    ratio = max(target[0] / source[0], target[1] / source[1])
    able = [network for network in networks if network.scale >= ratio]
    if not able:
        raise ValueError(f"no network enlarges {source[0]} x {source[1]} to {target[0]} x {target[1]}")
    return min(able, key=lambda network: network.scale)


class BadAnswer(Exception):
    """The network returned no result for a tile, or an impossible one."""


class ImplausibleAnswer(BadAnswer):
    """The network answered, but not with an enlarged tile. The cause is the picture or a broken device."""

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"{model} answered {problem}")
        self.model = model


class TileTooLarge(Exception):
    """Triton's memory does not suffice for a tile of this size. A smaller tile may fit."""
