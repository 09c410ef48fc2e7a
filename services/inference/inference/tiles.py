"""Where a picture is cut into tiles, and which part of each tile's result is kept.

At the picture's own borders nothing is cut away: there the model's zero padding is what it was trained with.
Cut edges lose at least the overlap: with one of the model's reach the result is that of the whole picture.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from inference.picture import Pixels

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


@dataclass(frozen=True, slots=True)
class Tile:
    """Both boxes are in the picture's coordinates."""

    source: Box
    """What the model sees."""
    keep: Box
    """What of it is used; the keeps of a plan cover the picture without a gap or an overlap."""


class Span(NamedTuple):
    """A tile along one axis: what it sees and what of it is kept."""

    start: int
    end: int
    keep_from: int
    keep_to: int


def plan(width: int, height: int, tile: int, overlap: int) -> list[Tile]:
    """Tiles of one common size, at most `tile` a side, row by row."""
    if tile < 2 * overlap + QUANTUM:
        raise ValueError(f"tiles of {tile} leave nothing beside two overlaps of {overlap}")
    return [
        Tile(Box(x.start, y.start, x.end, y.end), Box(x.keep_from, y.keep_from, x.keep_to, y.keep_to))
        for y in spans(height, tile, overlap)
        for x in spans(width, tile, overlap)
    ]


def spans(length: int, tile: int, overlap: int) -> list[Span]:
    """Evenly spread from border to border; neighbours part in the middle of what both see."""
    if length <= tile:
        return [Span(0, length, 0, length)]
    count = ceil_div(length - 2 * overlap, tile - 2 * overlap)
    size = ceil_div(length + 2 * overlap * (count - 1), count)
    size = min(ceil_div(size, QUANTUM) * QUANTUM, tile)
    starts = [index * (length - size) // (count - 1) for index in range(count)]
    cuts = [0, *((left + size + right) // 2 for left, right in pairwise(starts)), length]
    return [Span(start, start + size, *cut) for start, cut in zip(starts, pairwise(cuts), strict=True)]


def ceil_div(value: int, by: int) -> int:
    return -(-value // by)


def cut(pixels: Pixels, tile: Tile) -> Pixels:
    """The tile as the model takes it, 1 x 3 x height x width; grey fills all three channels."""
    source = tile.source
    seen = pixels[source.top : source.bottom, source.left : source.right].transpose(2, 0, 1)
    tensor = np.empty((1, 3, source.height, source.width), np.uint8)
    tensor[0] = seen
    return tensor


def paste(result: Pixels, tile: Tile, scale: int, target: Pixels) -> None:
    """Puts what is kept of a result into the upscaled picture."""
    keep = tile.keep
    place = target[keep.top * scale : keep.bottom * scale, keep.left * scale : keep.right * scale]
    place[:] = kept(result, tile, scale, target.shape[2])


def kept(result: Pixels, tile: Tile, scale: int, channels: int) -> Pixels:
    """The part of a tensor that counts, height x width x channels; grey is the mean of its channels."""
    keep, source = tile.keep, tile.source
    top, left = (keep.top - source.top) * scale, (keep.left - source.left) * scale
    part = result[0, :, top : top + keep.height * scale, left : left + keep.width * scale]
    if channels < len(part):
        part = ((part.sum(axis=0, keepdims=True, dtype=np.uint16) + 1) // len(part)).astype(np.uint8)
    return part.transpose(1, 2, 0)
