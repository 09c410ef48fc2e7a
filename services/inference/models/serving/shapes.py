"""The shapes that each network gets. Its engine is built for them, warmed up with them and captured for them.

The worker cuts square tiles of these sides. A picture that is smaller than a tile comes in its own shape.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Shapes:
    tiles: tuple[int, ...]
    """Sides of the square tiles, ascending."""
    batch: int = 8
    """The most tiles in one request."""
    graphs: bool = True
    """Whether CUDA graphs are worth it. They are where kernels are short, because then starting each of them
    counts.
    """

    @property
    def largest(self) -> int:
        return self.tiles[-1]

    @property
    def usual(self) -> int:
        """The batch that the engine is optimized for."""
        return max(1, self.batch // 2)

    @property
    def batches(self) -> tuple[int, ...]:
        """The batches that are warmed up, captured and preferred."""
        return tuple(sorted({1, self.usual, self.batch}))


USUAL = Shapes((512,))
SHAPES = {
    "waifu2x_photo_x2": Shapes((256, 512)),
    # the overlap is large: it leaves two fifths of a tile of 512, and only a sixteenth of one of 256
    "realesrgan_x4plus": Shapes((512,), batch=2, graphs=False),
    "realesrgan_x4plus_float": Shapes((256,), batch=2, graphs=False),
}
SHAPES |= {
    # a side must be even, and memory grows by 10 kB for a pixel
    f"waifu2x_cunet_{level}_x2": Shapes((256,), graphs=False)
    for level in ("scale", "n0", "n1", "n2")
}
FLOAT_BATCH = 2
"""Smaller, because pictures of 16 bits are rare and take twice the memory."""


def shapes_of(network: str) -> Shapes:
    """Return the network's shapes: one tile of 512 unless the table has others."""
    base = network.removesuffix("_float")
    own = SHAPES.get(base, USUAL)
    return SHAPES.get(network) or (own if network == base else replace(own, batch=FLOAT_BATCH))
