"""Measures a sample of a quarter of a megapixel of a picture: its colours, and the steps between neighbours.

The thresholds were found on the sets of `make bench-quality`.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.picture import Picture, Pixels

BLOCK = 64
MAX_BLOCKS = 64
"""The sample is at most a quarter of a megapixel, whatever the picture's size, and is measured in 6 ms."""

MAX_PALETTE_COLOURS = 256
"""A picture with more colours has no palette."""
MAX_GRADUAL_SHARE = 0.06
"""With a larger share of steps of a single level, a picture has no palette. In grey and toned photos, which
also have few colours, it is 0.07 to 0.75. In a photo reduced to 160 colours it is at most 0.06.
"""
QUIET_STEP, HARD_STEP = 8, 64
"""Differences between neighbours, in levels. JPEG leaves steps up to QUIET_STEP beside edges; few photos have
steps above HARD_STEP.
"""
PLAIN_RANGE, COMMON_GREYS = 2, 8
EDGE_STEP, STRAIGHT_STEP = 24, 6
CELL = 16
"""The side of a cell in pixels."""
DARKEST, BRIGHTEST, LEAST_CELLS = 4, 251, 64
"""Cells count whose pixels are all between the first two. With fewer cells, noise is not measured."""
QUIETEST = 0.02
"""The share of cells with the least detail, which shows the noise."""


class Sample:
    """Measures blocks that are spread over a picture. Fully transparent pixels do not count."""

    def __init__(self, picture: Picture) -> None:
        planes = [take_blocks(picture.pixels[:, :, channel]) for channel in range(picture.pixels.shape[2])]
        visible = None if picture.alpha is None else take_blocks(picture.alpha) > 0
        self._codes = encode_colours(planes)
        """A number for each colour: blocks x height x width."""
        self._visible = visible
        self._luma = luma_of(planes)
        self._steps = steps(planes)
        if visible is not None:
            self._steps *= visible[:, :, 1:] & visible[:, :, :-1]
        counted = self._codes if visible is None else self._codes[visible]
        self._pixels = counted.size
        self.colour_count = count_distinct(counted)

    @property
    def drawn_share(self) -> float:
        """The share of steps that lie in drawn cells: those with hard steps, quiet pixels, and little in
        between.
        """
        busy, hard = mean_by_cell(self._steps > QUIET_STEP), mean_by_cell(self._steps > HARD_STEP)
        is_drawn = (busy < 0.7) & (hard > 0.02) & (hard > (busy - hard) / 2)
        return float(busy[is_drawn].sum() / max(1e-9, busy.sum()))

    @property
    def has_palette(self) -> bool:
        """True if the picture has few colours. A sample of few pixels has few anyway, and does not count."""
        if self.colour_count > min(MAX_PALETTE_COLOURS, self._pixels / 8):
            return False
        return ratio(self._steps == 1, self._steps > 0) <= MAX_GRADUAL_SHARE

    def share_of_steps(self, up_to: int) -> float:
        """Return the share of steps of at most this many levels."""
        return ratio((self._steps > 0) & (self._steps <= up_to), self._steps > 0)

    @property
    def plain_share(self) -> float:
        """The share of pixels whose neighbours differ by at most PLAIN_RANGE levels of luma."""
        luma = self._luma
        rows = [luma[:, top : luma.shape[1] - 2 + top] for top in range(3)]
        high, low = np.maximum.reduce(rows), np.minimum.reduce(rows)
        high, low = (
            reduced.reduce([part[:, :, left : part.shape[2] - 2 + left] for left in range(3)])
            for reduced, part in ((np.maximum, high), (np.minimum, low))
        )
        counted = np.ones_like(high, np.bool_)
        if self._visible is not None:
            counted = self._visible[:, 1:-1, 1:-1]
        return ratio((high - low <= PLAIN_RANGE) & counted, counted)

    @property
    def common_share(self) -> float:
        """The share of pixels that have one of the commonest greys."""
        counted = self._luma if self._visible is None else self._luma[self._visible]
        counts = np.sort(np.bincount(counted.ravel(), minlength=256))
        return float(counts[-COMMON_GREYS:].sum() / max(1, counted.size))

    @property
    def straight_share(self) -> float:
        """The share of edges that run exactly across or down, as those of windows and letters do."""
        luma = self._luma.astype(np.int16)
        across = np.abs(luma[:, :-1, 1:] - luma[:, :-1, :-1])
        down = np.abs(luma[:, 1:, :-1] - luma[:, :-1, :-1])
        edges = np.maximum(across, down) > EDGE_STEP
        if (visible := self._visible) is not None:
            edges &= visible[:, :-1, :-1] & visible[:, :-1, 1:] & visible[:, 1:, :-1]
        return ratio(edges & (np.minimum(across, down) <= STRAIGHT_STEP), edges)

    @property
    def noise(self) -> float:
        """The standard deviation of the luma's noise in levels, as the cells with the least detail have it.

        It is 0 if there are too few cells to tell noise from detail. The filter is that of Immerkaer, 1996,
        which sees no edges and no ramps.
        """
        luma = self._luma.astype(np.int16)
        across = luma[:, :, :-2] - 2 * luma[:, :, 1:-1] + luma[:, :, 2:]
        detail = np.abs(across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:])
        inner = luma[:, 1:-1, 1:-1]
        is_unsuitable = (inner < DARKEST) | (inner > BRIGHTEST)
        if self._visible is not None:
            is_unsuitable |= ~self._visible[:, 1:-1, 1:-1]
        levels = mean_by_cell(detail)[mean_by_cell(is_unsuitable) == 0]
        if len(levels) < LEAST_CELLS:
            return 0.0
        return float(np.quantile(levels, QUIETEST) * np.sqrt(np.pi / 2) / 6)

    @property
    def speckle_share(self) -> float:
        """The share of odd pixels among odd pixels and straight edges.

        An odd pixel differs from all four neighbours, most of which are alike.
        """
        codes = self._codes
        here, left, right = codes[:, 1:-1, 1:-1], codes[:, 1:-1, :-2], codes[:, 1:-1, 2:]
        above, below = codes[:, :-2, 1:-1], codes[:, 2:, 1:-1]
        alike = (left == right).astype(np.uint8) + (left == above) + (left == below)
        odd = (here != left) & (here != right) & (here != above) & (here != below) & (alike >= 2)
        same_across, same_down = codes[:, :, 1:] == codes[:, :, :-1], codes[:, 1:] == codes[:, :-1]
        horizontal = same_across[:, 1:] & same_across[:, :-1] & ~same_down[:, :, 1:]
        vertical = same_down[:, :, 1:] & same_down[:, :, :-1] & ~same_across[:, 1:]
        speckles = np.count_nonzero(odd)
        return speckles / max(1, speckles + np.count_nonzero(horizontal) + np.count_nonzero(vertical))


def take_blocks(plane: Pixels) -> Pixels:
    """Return blocks x height x width of 8 bits: all of a small picture, else blocks evenly spread over it."""
    blocks = plane[np.newaxis]
    if plane.size > MAX_BLOCKS * BLOCK * BLOCK:
        blocks = np.stack(list(spread_blocks(plane)))
    return (blocks >> 8).astype(np.uint8) if plane.dtype == np.uint16 else blocks


def spread_blocks(plane: Pixels) -> Iterator[Pixels]:
    """Yield up to MAX_BLOCKS blocks, evenly spread over the plane."""
    height, width = plane.shape
    rows = min(isqrt(MAX_BLOCKS), -(-height // BLOCK))
    columns = min(MAX_BLOCKS // rows, -(-width // BLOCK))
    rows = MAX_BLOCKS // columns
    for top in np.linspace(0, max(0, height - BLOCK), rows, dtype=int):
        for left in np.linspace(0, max(0, width - BLOCK), columns, dtype=int):
            yield plane[top : top + BLOCK, left : left + BLOCK]


def luma_of(planes: Sequence[Pixels]) -> Pixels:
    """Return the luma of blocks of one or of three channels."""
    if len(planes) == 1:
        return planes[0]
    red, green, blue = (plane.astype(np.uint32) for plane in planes[:3])
    return ((299 * red + 587 * green + 114 * blue) // 1000).astype(np.uint8)


def steps(planes: Sequence[Pixels]) -> Pixels:
    """Return by how many levels each pixel differs from its right neighbour, in the channel that differs
    most.
    """
    pairs = [(plane[:, :, :-1], plane[:, :, 1:]) for plane in planes]
    return reduce(np.maximum, [np.maximum(*pair) - np.minimum(*pair) for pair in pairs])


def mean_by_cell(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the mean in each cell, or the share of true values. Incomplete cells at the far edges of a block
    do not count.
    """
    count, height, width = values.shape
    tall, wide = max(1, min(CELL, height)), max(1, min(CELL, width))
    whole = values[:, : height // tall * tall, : width // wide * wide]
    return whole.reshape(count, height // tall, tall, width // wide, wide).mean(axis=(2, 4))


def encode_colours(planes: Sequence[Pixels]) -> npt.NDArray[np.uint32]:
    """Return one number for each pixel's colour."""
    codes = planes[0].astype(np.uint32)
    for plane in planes[1:]:
        codes <<= 8
        codes |= plane
    return codes


def count_distinct(values: npt.NDArray[np.uint32]) -> int:
    """Return the number of different values. Sorting takes 2 ms; np.unique would take 100."""
    ordered = np.sort(values, axis=None)
    return min(1, ordered.size) + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def ratio(mask: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_]) -> float:
    """Return the number of true values in `mask`, divided by that in `of`."""
    return np.count_nonzero(mask) / max(1, np.count_nonzero(of))
