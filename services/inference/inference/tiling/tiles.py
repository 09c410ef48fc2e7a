"""Plans how a picture is cut into tiles, and which part of each tile's result is used.

Nothing is cut away at the picture's own borders, because the network was trained with its zero padding there.
At the other edges of a tile at least the overlap is cut away. If the overlap is the network's reach, the
result equals that of the whole picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from inference.networks.network import Tensor
from inference.picture import Pixels

SMALLEST_TILE = 64
QUANTUM = 8
"""Tile sizes are multiples of this, so that networks get few different shapes: thirty sizes along an axis
instead of two hundred. It costs 1.5 % more pixels.
"""


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

    def moved_up(self, rows: int) -> "Box":
        """Return the same box in coordinates that begin `rows` further down."""
        return Box(self.left, self.top - rows, self.right, self.bottom - rows)


@dataclass(frozen=True, slots=True)
class Tile:
    """Both boxes are in the picture's coordinates."""

    source: Box
    """The network's input."""
    core: Box
    """The part of `source` whose result is used. The cores of a plan cover the picture without gaps or
    overlaps.
    """


@dataclass(frozen=True, slots=True)
class Tiling:
    """The size of tiles, and the number of tiles of one picture that are at Triton at the same time."""

    tile: int = 512
    """Longest side of a tile in pixels of the original."""
    in_flight: int = 2
    is_fixed: bool = False
    """Cut squares of a few sizes only; see `plan`."""


class Span(NamedTuple):
    """A tile along one axis: its input, and its core."""

    start: int
    end: int
    core_start: int
    core_end: int


def plan(
    width: int, height: int, tile: int, overlap: int, *, is_fixed: bool = False, is_even: bool = False
) -> list[Tile]:
    """Return tiles of one common size, at most `tile` a side, row by row.

    Fixed tiles are squares of a few sizes, whatever the picture's size, so that Triton can put tiles of
    several pictures into one batch: a batch needs equal shapes. An axis that is shorter than the square is
    not padded. Even tiles begin at even pixels, if the picture's sides are even. Raises `ValueError` if the
    overlaps fill the tile.
    """
    if tile < 2 * overlap + QUANTUM:
        raise ValueError(f"tiles of {tile} leave nothing beside two overlaps of {overlap}")
    if is_fixed:
        tile = _square_side(width, height, tile, overlap)
    return [
        Tile(Box(x.start, y.start, x.end, y.end), Box(x.core_start, y.core_start, x.core_end, y.core_end))
        for y in spans(height, tile, overlap, is_fixed=is_fixed, is_even=is_even)
        for x in spans(width, tile, overlap, is_fixed=is_fixed, is_even=is_even)
    ]


def _square_side(width: int, height: int, tile: int, overlap: int) -> int:
    """Return the side of fixed tiles that covers the picture with the fewest pixels."""

    def pixels(side: int) -> int:
        return _total_length(width, side, overlap) * _total_length(height, side, overlap)

    sides = (tile, tile * 3 // 4, tile // 2)
    return min((side for side in sides if side >= 2 * overlap + QUANTUM), key=pixels)


def _total_length(length: int, side: int, overlap: int) -> int:
    """Return the sum of the lengths of all tiles along an axis."""
    return length if length <= side else side * _ceil_div(length - 2 * overlap, side - 2 * overlap)


def spans(
    length: int, tile: int, overlap: int, *, is_fixed: bool = False, is_even: bool = False
) -> list[Span]:
    """Return tiles that are evenly spread along an axis. Neighbours meet in the middle of their overlap."""
    if length <= tile:
        return [Span(0, length, 0, length)]
    count = _ceil_div(length - 2 * overlap, tile - 2 * overlap)
    size = _ceil_div(length + 2 * overlap * (count - 1), count)
    size = tile if is_fixed else min(_ceil_div(size, QUANTUM) * QUANTUM, tile)
    starts = [index * (length - size) // (count - 1) for index in range(count)]
    if is_even:
        starts = [start // 2 * 2 for start in starts]
    cuts = [0, *((left + size + right) // 2 for left, right in pairwise(starts)), length]
    return [Span(start, start + size, *cut) for start, cut in zip(starts, pairwise(cuts), strict=True)]


def _ceil_div(value: int, by: int) -> int:
    return -(-value // by)


def group_by_row(tiles: Sequence[Tile]) -> list[list[Tile]]:
    """Return the tiles of a plan, row by row."""
    return [list(row) for _, row in groupby(tiles, key=lambda tile: tile.core.top)]


def plan_rows(
    size: tuple[int, int], rows: tuple[int, int], tile: int, overlap: int, *, is_fixed: bool = False
) -> list[Tile]:
    """Return tiles whose cores cover these rows of a picture of this size. Their inputs reach beyond the
    rows.

    `rows` is the first row and the end.
    """
    (width, height), (top, bottom) = size, rows
    step = tile - 2 * overlap

    def input_rows(first: int, last: int) -> tuple[int, int]:
        if not is_fixed:
            return max(0, first - overlap), min(height, last + overlap)
        start = max(0, min(first - overlap, height - tile))
        return start, min(height, start + tile)

    return [
        Tile(Box(x.start, y.start, x.end, y.end), Box(x.core_start, y.core_start, x.core_end, y.core_end))
        for y in (
            Span(*input_rows(first, min(first + step, bottom)), first, min(first + step, bottom))
            for first in range(top, bottom, step)
        )
        for x in spans(width, tile, overlap, is_fixed=is_fixed)
    ]


def cut(pixels: Pixels, tile: Tile, *, is_float: bool = False) -> Tensor:
    """Return the tile as a network takes it: 1 x 3 x height x width of uint8, or float32 from 0 to 1 for 16
    bits, or for any depth if `is_float` is set.

    Grey fills all three channels.
    """
    source = tile.source
    part = pixels[source.top : source.bottom, source.left : source.right].transpose(2, 0, 1)
    is_float = is_float or pixels.dtype == np.uint16
    tensor = np.empty((1, 3, source.height, source.width), np.float32 if is_float else np.uint8)
    if is_float:
        np.divide(part, np.float32(np.iinfo(pixels.dtype).max), out=tensor[0])
    else:
        tensor[0] = part
    return tensor


def paste(result: Tensor, tile: Tile, scale: int, target: Pixels, top: int = 0) -> None:
    """Copy the core of a result into its place. `target` begins at the picture's row `top`."""
    core = tile.core
    rows = slice((core.top - top) * scale, (core.bottom - top) * scale)
    place = target[rows, core.left * scale : core.right * scale]
    part = crop_to_core(result, tile, scale, target)
    for channel in range(target.shape[2]):  # five times faster than all at once
        place[:, :, channel] = part[:, :, channel]


def crop_to_core(result: Tensor, tile: Tile, scale: int, target: Pixels) -> Pixels:
    """Return the core of a result as height x width x channels, with the target's channels and depth.

    Grey is the mean of the result's channels.
    """
    core, source = tile.core, tile.source
    top, left = (core.top - source.top) * scale, (core.left - source.left) * scale
    part = result[0, :, top : top + core.height * scale, left : left + core.width * scale]
    if target.shape[2] < len(part):
        part = _mean_of_channels(part)
    if part.dtype == np.float32:
        part = np.rint(part * np.float32(np.iinfo(target.dtype).max)).astype(target.dtype)
    return part.transpose(1, 2, 0)


def _mean_of_channels(part: Tensor) -> Tensor:
    if part.dtype == np.float32:
        return part.mean(axis=0, keepdims=True)
    return ((part.sum(axis=0, keepdims=True, dtype=np.uint16) + 1) // len(part)).astype(np.uint8)
