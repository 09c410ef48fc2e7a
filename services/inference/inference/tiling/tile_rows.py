"""Runs a picture through a network tile by tile, and hands on its rows from the top at the network's scale.

Only a few rows of tiles are in memory. Where the network is uncertain, the result of its fallback is blended
in.
"""

import asyncio
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

import numpy as np

from inference.networks.network import BadAnswer, Infer, Network
from inference.picture import Pixels
from inference.tiling import fallback_blend
from inference.tiling.tile_inference import infer_tile
from inference.tiling.tiles import (
    QUANTUM,
    Tile,
    Tiling,
    crop_to_keep,
    cut,
    group_by_row,
    paste,
    plan,
    plan_rows,
)

TakeRows = Callable[[Pixels], Awaitable[None]]
"""Takes the next rows, height x width x channels."""
Progress = Callable[[int, int], None]
"""Called after each tile with the number of tiles that are done, and the number of all tiles."""

FALLBACK_TILE = 256
MAX_ROWS_IN_MEMORY = 3
"""Rows of tiles: one that waits for the uncertainty map of the row below it, and two that are at Triton."""


@dataclass(eq=False, slots=True)
class TileRow:
    tiles: Sequence[Tile]
    native: Pixels | None = None
    """The pixels at the network's scale, as far as their tiles are done. None before the first and after the
    last.
    """
    tiles_left: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def top(self) -> int:
        return self.tiles[0].keep.top

    @property
    def bottom(self) -> int:
        return self.tiles[0].keep.bottom


class TiledPass:
    """Upscales one picture with one network."""

    def __init__(self, network: Network, source: Pixels, infer: Infer, tiling: Tiling) -> None:
        """`source` is height x width x channels."""
        self._network = network
        self._source = source
        self._infer = infer
        self._tiling = tiling
        height, width = source.shape[:2]
        self._uncertainty = np.zeros((height, width, 1), np.uint8)
        tile = first_pass_tile(network, tiling)
        self._tiles = plan(width, height, tile, network.overlap, is_fixed=tiling.is_fixed)
        self._rows = [TileRow(row, tiles_left=len(row)) for row in group_by_row(self._tiles)]
        self._row_at = {row.top: row for row in self._rows}
        self._room = asyncio.Semaphore(MAX_ROWS_IN_MEMORY)
        self._opening = asyncio.Lock()
        self._done = 0

    async def run(self, take_rows: TakeRows, progress: Progress | None = None) -> None:
        """Infer all tiles, and pass the finished rows to `take_rows` from the top."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._infer_all(progress))
                above: TileRow | None = None
                for row in self._rows:
                    await row.done.wait()
                    if above:  # its uncertainty map is complete only now
                        await self._finish(above, take_rows)
                    above = row
                if above:
                    await self._finish(above, take_rows)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _infer_all(self, progress: Progress | None) -> None:
        async def work(tile: Tile) -> None:
            row = await self._open_row(tile)
            tensor = await to_thread(cut, self._source, tile)
            answer = await infer_tile(self._network, self._infer, tensor, tile.source)
            if row.native is not None:
                await to_thread(paste, answer.upscaled, tile, self._network.scale, row.native, row.top)
            if answer.uncertainty is not None:
                paste(answer.uncertainty, tile, 1, self._uncertainty)
            row.tiles_left -= 1
            self._done += 1
            if progress:
                progress(self._done, len(self._tiles))
            if not row.tiles_left:
                row.done.set()

        await for_each(self._tiles, work, self._tiling.in_flight)

    async def _open_row(self, tile: Tile) -> TileRow:
        """Return the tile's row, with memory for its result. Waits while too many rows are in memory."""
        row = self._row_at[tile.keep.top]
        async with self._opening:
            if row.native is None:
                await self._room.acquire()
                scale = self._network.scale
                _, width, channels = self._source.shape
                shape = ((row.bottom - row.top) * scale, width * scale, channels)
                row.native = np.empty(shape, self._source.dtype)
        return row

    async def _finish(self, row: TileRow, take_rows: TakeRows) -> None:
        native, row.native = row.native, None
        if native is None:
            raise BadAnswer(f"{self._network.name} left out the rows from {row.top} on")
        weight = await to_thread(fallback_blend.blend_weight, self._uncertainty[:, :, 0], row.top, row.bottom)
        if weight is not None:
            await self._blend_fallback(row, native, weight)
        await take_rows(native)
        self._room.release()

    async def _blend_fallback(self, row: TileRow, native: Pixels, weight: fallback_blend.BlendWeight) -> None:
        network = self._network.fallback
        if network is None:
            raise BadAnswer(f"{self._network.name} is uncertain, and has no fallback")
        scale, (height, width) = self._network.scale, self._source.shape[:2]
        tiles = plan_rows(
            (width, height),
            (row.top, row.bottom),
            FALLBACK_TILE,
            network.overlap,
            is_fixed=self._tiling.is_fixed,
        )

        async def work(tile: Tile) -> None:
            tensor = await to_thread(cut, self._source, tile)
            answer = await infer_tile(network, self._infer, tensor, tile.source)
            part = crop_to_keep(answer.upscaled, tile, scale, native.shape[2])
            await to_thread(fallback_blend.blend, native, row.top, part, weight, tile.keep, scale)

        await for_each([tile for tile in tiles if weight.is_needed(tile.keep)], work, self._tiling.in_flight)


def first_pass_tile(network: Network, tiling: Tiling) -> int:
    """Return the longest side of a tile in the first pass.

    Fixed tiles are made for engines, which take no larger tile in the last pass than in the first.
    """
    if not tiling.is_fixed:
        return tiling.tile
    return max(tiling.tile // network.step ** (network.passes - 1), 2 * network.overlap + QUANTUM)


async def for_each(
    tiles: Sequence[Tile], work: Callable[[Tile], Coroutine[None, None, None]], workers: int
) -> None:
    """Run `work` for all tiles, so many at a time. The first failure stops the others and is raised as
    itself.
    """
    waiting = iter(tiles)

    async def take_tiles() -> None:
        for tile in waiting:
            await work(tile)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(take_tiles())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
