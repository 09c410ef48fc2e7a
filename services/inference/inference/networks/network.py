"""What a network at Triton is, and what it answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from inference.tiling.tiles import Tensor


class Answer(NamedTuple):
    """What a model makes of a tile."""

    upscaled: Tensor
    """1 x 3 x (scale * height) x (scale * width), of the type that was given."""
    doubt: Tensor | None = None
    """1 x 1 x height x width, uint8: above 0 where the model failed. None from models that never do."""


Infer = Callable[[str, Tensor], Awaitable[Answer]]
"""Takes a model's name and a tensor of 1 x 3 x height x width."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network at Triton, or the same one several times over for a larger scale."""

    name: str
    scale: int
    overlap: int
    """At least the reach in pixels of its input, so that no seam can be seen."""
    passes: int = 1

    @property
    def deep_name(self) -> str:
        """The variant for pictures of 16 bits, which takes and gives float32."""
        return f"{self.name}_float"

    @property
    def step(self) -> int:
        """The scale of one pass."""
        return round(self.scale ** (1 / self.passes))


class BadAnswer(Exception):
    """The model gave no result for a tile, or one that cannot be it."""


class WrongAnswer(BadAnswer):
    """Of a model that answered. The picture may be the cause, or the device that the model runs on."""

    def __init__(self, model: str, told: str) -> None:
        super().__init__(f"{model} answered {told}")
        self.model = model


class TooLarge(Exception):
    """There is no memory for a tile of this size; a smaller one may do."""
