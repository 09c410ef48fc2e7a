"""Plans the fallback network's tiles: few and small ones, because its pixels cost up to six times as much.

A planned tile is cut down to the places that need it, and split where two small tiles cost less than one.
"""

import numpy as np
import numpy.typing as npt

from inference.tiling.fallback_blend import BlendWeight
from inference.tiling.tiles import QUANTUM, Box, Tile, plan_rows

LARGEST_TILE = 256
"""Longest side of the fallback network's tiles in pixels of the original."""
SMALLEST_SAVING = 0.1
"""A tile is split only if that saves this share of its pixels. Each tile costs a call to Triton."""
Cells = npt.NDArray[np.bool_]
"""The squares of QUANTUM pixels of a tile that need the fallback, by row and column."""


def plan(
    weight: BlendWeight, size: tuple[int, int], rows: tuple[int, int], overlap: int, *, is_fixed: bool
) -> list[Tile]:
    """Return tiles whose cores cover all places in these rows that the fallback changes.

    `size` is that of the picture. Fixed tiles are never cut down, because they have few sizes.
    """
    planned = plan_rows(size, rows, LARGEST_TILE, overlap, is_fixed=is_fixed)
    needed = [tile for tile in planned if weight.is_needed(tile.core)]
    if is_fixed:
        return needed
    return [_around(core, size, overlap) for tile in needed for core in _cores(weight, tile.core, overlap)]


def _around(core: Box, size: tuple[int, int], overlap: int) -> Tile:
    """Return the tile with this core, and with the overlap on each side that is not the picture's own."""
    left, top = max(0, core.left - overlap), max(0, core.top - overlap)
    return Tile(Box(left, top, min(size[0], core.right + overlap), min(size[1], core.bottom + overlap)), core)


def _cores(weight: BlendWeight, core: Box, overlap: int) -> list[Box]:
    """Return small parts of a core that cover everything in it that the fallback changes."""
    cells = _cells(weight.needed(core))
    return [
        Box(
            core.left + box.left * QUANTUM,
            core.top + box.top * QUANTUM,
            min(core.right, core.left + box.right * QUANTUM),
            min(core.bottom, core.top + box.bottom * QUANTUM),
        )
        for box in _split(cells, 0, 0, overlap)
    ]


def _cells(needed: npt.NDArray[np.bool_]) -> Cells:
    height, width = needed.shape
    padded = np.pad(needed, ((0, -height % QUANTUM), (0, -width % QUANTUM)))
    tall, wide = padded.shape
    squares = padded.reshape(tall // QUANTUM, QUANTUM, wide // QUANTUM, QUANTUM)
    return np.asarray(squares.any(axis=(1, 3)), np.bool_)


def _split(cells: Cells, left: int, top: int, overlap: int) -> list[Box]:
    """Return boxes of cells that cover the needed ones. `left` and `top` are the place of `cells`."""
    columns, rows = np.flatnonzero(cells.any(axis=0)), np.flatnonzero(cells.any(axis=1))
    if not len(columns):
        return []
    cells = cells[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    left, top = left + int(columns[0]), top + int(rows[0])
    height, width = cells.shape
    whole = [Box(left, top, left + width, top + height)]
    if max(width, height) == 1:
        return whole
    if width >= height:
        middle = width // 2
        parts = _split(cells[:, :middle], left, top, overlap)
        parts += _split(cells[:, middle:], left + middle, top, overlap)
    else:
        middle = height // 2
        parts = _split(cells[:middle], left, top, overlap)
        parts += _split(cells[middle:], left, top + middle, overlap)
    return parts if _pixels(parts, overlap) < (1 - SMALLEST_SAVING) * _pixels(whole, overlap) else whole


def _pixels(boxes: list[Box], overlap: int) -> int:
    """Return the pixels of the tiles for these boxes of cells."""
    return sum((box.width * QUANTUM + 2 * overlap) * (box.height * QUANTUM + 2 * overlap) for box in boxes)
