"""Which shapes each model is asked for: what its engine is built for, warmed up with and captured for.

The worker cuts square tiles of these sides; a picture smaller than a tile comes in its own shape.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Shapes:
    tiles: tuple[int, ...]
    """Sides of the square tiles, ascending."""
    batch: int = 8
    """The most tiles at a time."""
    graphs: bool = True
    """Whether CUDA graphs pay: where a tile's kernels are short, starting each of them counts."""

    @property
    def largest(self) -> int:
        return self.tiles[-1]

    @property
    def usual(self) -> int:
        """The batch to be fastest at."""
        return max(1, self.batch // 2)

    @property
    def batches(self) -> tuple[int, ...]:
        """Those that are warmed up, captured and preferred."""
        return tuple(sorted({1, self.usual, self.batch}))


SHAPES = {
    "span_x2": Shapes((512,)),
    "span_x4": Shapes((512,)),
    "waifu2x_photo_x2": Shapes((256, 512)),
    "realesr_general_x4v3": Shapes((512,)),
    # it sees far: of a tile of 256 a sixteenth would be left, of one of 512 two fifths
    "realesrgan_x4plus": Shapes((512,), batch=2, graphs=False),
    "realesrgan_x4plus_float": Shapes((256,), batch=2, graphs=False),
}
FLOAT_BATCH = 2
"""Pictures of 16 bits are rare, and take twice the memory."""


def shapes_of(model: str) -> Shapes:
    return SHAPES.get(model) or replace(SHAPES[model.removesuffix("_float")], batch=FLOAT_BATCH)
