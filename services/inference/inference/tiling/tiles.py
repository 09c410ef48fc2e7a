"""Where a picture is cut into tiles, and which part of each tile's result is kept.

At the picture's own borders nothing is cut away: there the model's zero padding is what it was trained with.
Cut edges lose at least the overlap: with one of the model's reach the result is that of the whole picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inference.picture import LARGEST_16_BIT, Pixels

Tensor = npt.NDArray[Any]
"""N x channels x height x width, uint8 or float32."""
SMALLEST_TILE = 64
QUANTUM = 8
"""Tile sizes are multiples of it: thirty sizes an axis instead of two hundred, for 1.5 % more pixels."""


class Box(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def lifted(self, by: int) -> "Box":
        """The same box where rows are counted from `by` on."""
        return Box(self.left, self.top - by, self.right, self.bottom - by)


@dataclass(frozen=True, slots=True)
class Tile:
    """Both boxes are in the picture's coordinates."""

    source: Box
    """What the model sees."""
    keep: Box
    """What of it is used; the keeps of a plan cover the picture without a gap or an overlap."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How pictures are cut, and how many tiles of each are at Triton at a time."""

    tile: int = 512
    """Longest side in pixels of the original."""
    in_flight: int = 2
    is_fixed: bool = False
    """Squares of few sizes; see `plan`."""


class Span(NamedTuple):
    """A tile along one axis: what it sees and what of it is kept."""

    start: int
    end: int
    keep_from: int
    keep_to: int


def plan(width: int, height: int, tile: int, overlap: int, *, is_fixed: bool = False) -> list[Tile]:
    """Tiles of one common size, at most `tile` a side, row by row.

    Fixed ones are squares of few sizes, whatever the picture's, so that Triton can put those of several
    pictures into one batch: it does that with equal shapes only. Only an axis shorter than the square has
    its own length, since pixels are never invented.
    """
    if tile < 2 * overlap + QUANTUM:
        raise ValueError(f"tiles of {tile} leave nothing beside two overlaps of {overlap}")
    if is_fixed:
        tile = square_for(width, height, tile, overlap)
    return [
        Tile(Box(x.start, y.start, x.end, y.end), Box(x.keep_from, y.keep_from, x.keep_to, y.keep_to))
        for y in spans(height, tile, overlap, is_fixed=is_fixed)
        for x in spans(width, tile, overlap, is_fixed=is_fixed)
    ]


def square_for(width: int, height: int, tile: int, overlap: int) -> int:
    """The side of fixed tiles that covers the picture with the fewest pixels."""

    def pixels(side: int) -> int:
        return covered(width, side, overlap) * covered(height, side, overlap)

    sides = (tile, tile * 3 // 4, tile // 2)
    return min((side for side in sides if side >= 2 * overlap + QUANTUM), key=pixels)


def covered(length: int, side: int, overlap: int) -> int:
    """What all tiles along an axis have together."""
    return length if length <= side else side * ceil_div(length - 2 * overlap, side - 2 * overlap)


def spans(length: int, tile: int, overlap: int, *, is_fixed: bool = False) -> list[Span]:
    """Evenly spread from border to border; neighbours part in the middle of what both see."""
    if length <= tile:
        return [Span(0, length, 0, length)]
    count = ceil_div(length - 2 * overlap, tile - 2 * overlap)
    size = ceil_div(length + 2 * overlap * (count - 1), count)
    size = tile if is_fixed else min(ceil_div(size, QUANTUM) * QUANTUM, tile)
    starts = [index * (length - size) // (count - 1) for index in range(count)]
    cuts = [0, *((left + size + right) // 2 for left, right in pairwise(starts)), length]
    return [Span(start, start + size, *cut) for start, cut in zip(starts, pairwise(cuts), strict=True)]


def ceil_div(value: int, by: int) -> int:
    return -(-value // by)


def rows_of(tiles: Sequence[Tile]) -> list[list[Tile]]:
    """The tiles of a plan, row by row."""
    return [list(row) for _, row in groupby(tiles, key=lambda tile: tile.keep.top)]


def plan_band(
    size: tuple[int, int], rows: tuple[int, int], tile: int, overlap: int, *, is_fixed: bool = False
) -> list[Tile]:
    """Tiles whose keeps cover some rows of a picture, first and end; they see beyond both."""
    (width, height), (top, bottom) = size, rows
    step = tile - 2 * overlap

    def seen(first: int, last: int) -> tuple[int, int]:
        if not is_fixed:
            return max(0, first - overlap), min(height, last + overlap)
        start = max(0, min(first - overlap, height - tile))
        return start, min(height, start + tile)

    return [
        Tile(Box(x.start, y.start, x.end, y.end), Box(x.keep_from, y.keep_from, x.keep_to, y.keep_to))
        for y in (
            Span(*seen(first, min(first + step, bottom)), first, min(first + step, bottom))
            for first in range(top, bottom, step)
        )
        for x in spans(width, tile, overlap, is_fixed=is_fixed)
    ]


def cut(pixels: Pixels, tile: Tile) -> Tensor:
    """The tile as a model takes it, 1 x 3 x height x width: uint8, or float32 from 0 to 1 where the picture
    has 16 bits. Grey fills all three channels.
    """
    source = tile.source
    seen = pixels[source.top : source.bottom, source.left : source.right].transpose(2, 0, 1)
    is_deep = pixels.dtype == np.uint16
    tensor = np.empty((1, 3, source.height, source.width), np.float32 if is_deep else np.uint8)
    if is_deep:
        np.divide(seen, np.float32(LARGEST_16_BIT), out=tensor[0])
    else:
        tensor[0] = seen
    return tensor


def paste(result: Tensor, tile: Tile, scale: int, target: Pixels, top: int = 0) -> None:
    """Puts what is kept of a result into its place; `target` begins at the picture's row `top`."""
    keep = tile.keep
    rows = slice((keep.top - top) * scale, (keep.bottom - top) * scale)
    place = target[rows, keep.left * scale : keep.right * scale]
    part = kept(result, tile, scale, target.shape[2])
    for channel in range(target.shape[2]):  # five times faster than all at once
        place[:, :, channel] = part[:, :, channel]


def kept(result: Tensor, tile: Tile, scale: int, channels: int) -> Pixels:
    """The part of a tensor that counts, height x width x channels; grey is the mean of its channels."""
    keep, source = tile.keep, tile.source
    top, left = (keep.top - source.top) * scale, (keep.left - source.left) * scale
    part = result[0, :, top : top + keep.height * scale, left : left + keep.width * scale]
    if channels < len(part):
        part = mean(part)
    if part.dtype == np.float32:
        part = np.rint(part * np.float32(LARGEST_16_BIT)).astype(np.uint16)
    return part.transpose(1, 2, 0)


def mean(part: Tensor) -> Tensor:
    if part.dtype == np.float32:
        return part.mean(axis=0, keepdims=True)
    return ((part.sum(axis=0, keepdims=True, dtype=np.uint16) + 1) // len(part)).astype(np.uint8)
