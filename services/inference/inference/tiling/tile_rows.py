"""Runs a picture through a network tile by tile, and passes on rows at the network's scale, from the top.

Only a few rows of tiles are in memory. Where the network is uncertain, the result of its fallback is blended
in.
"""

import asyncio
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from inference.networks.network import Answer, BadAnswer, Infer, Network, Tensor
from inference.picture import Pixels
from inference.tiling import fallback_blend, fallback_tiles
from inference.tiling.picture_means import PictureMeans, Sums
from inference.tiling.progress import PassProgress, Progress
from inference.tiling.tile_inference import infer_tile
from inference.tiling.tiles import (
    QUANTUM,
    Box,
    Tile,
    Tiling,
    crop_to_core,
    cut,
    group_by_row,
    paste,
    plan,
)

TakeRows = Callable[[Pixels], Awaitable[None]]
"""Takes the next rows, height x width x channels."""
MAX_ROWS_IN_MEMORY = 3
"""Rows of tiles: one that waits for the uncertainty map of the row below it, and two that are at Triton."""


@dataclass(eq=False, slots=True)
class TileRow:
    tiles: Sequence[Tile]
    native: Pixels | None = None
    """The row's pixels at the network's scale. None before its first tile starts and after the row is passed
    on.
    """
    tiles_left: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def top(self) -> int:
        return self.tiles[0].core.top

    @property
    def bottom(self) -> int:
        return self.tiles[0].core.bottom

    @property
    def box(self) -> Box:
        """The row's place in the picture."""
        return Box(0, self.top, self.tiles[-1].core.right, self.bottom)


class TiledPass:
    """Upscales one picture with one network."""

    def __init__(
        self,
        network: Network,
        source: Pixels,
        infer: Infer,
        tiling: Tiling,
        report: Progress | None = None,
    ) -> None:
        """`source` is height x width x channels."""
        self._network = network
        self._source = source
        self._infer = infer
        self._tiling = tiling
        height, width = source.shape[:2]
        self._uncertainty = np.zeros((height, width, 1), np.uint8)
        tile = first_pass_tile(network, tiling)
        self._tiles = plan(
            width, height, tile, network.overlap, is_fixed=tiling.is_fixed, is_even=network.is_even
        )
        self._means = PictureMeans(network, (width, height)) if network.pooled else None
        self._rows = [TileRow(row, tiles_left=len(row)) for row in group_by_row(self._tiles)]
        self._row_at = {row.top: row for row in self._rows}
        self._row_slots = asyncio.Semaphore(MAX_ROWS_IN_MEMORY)
        self._allocation_lock = asyncio.Lock()
        self._progress = PassProgress(network, (width, height), self._tiles, report)

    async def run(self, take_rows: TakeRows) -> None:
        """Infer all tiles, and pass the finished rows to `take_rows` from the top."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._infer_all())
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

    async def _infer_all(self) -> None:
        if self._means and len(self._tiles) > 1:
            await self._collect(self._means)

        async def work(tile: Tile) -> None:
            row = await self._open_row(tile)
            tensor = await to_thread(partial(cut, is_float=self._network.is_lazy), self._source, tile)
            context = self._means.context(tile) if self._means else None
            answer = await self._infer_tile(self._network, tensor, tile, context)
            if row.native is not None:
                await to_thread(paste, answer.upscaled, tile, self._network.scale, row.native, row.top)
            if answer.uncertainty is not None:
                paste(answer.uncertainty, tile, 1, self._uncertainty)
            row.tiles_left -= 1
            self._progress.tile_done(tile, self._uncertainty)
            if not row.tiles_left:
                row.done.set()

        await for_each(self._tiles, work, self._tiling.in_flight)

    async def _collect(self, means: PictureMeans) -> None:
        """Collect the means over the picture that the network needs, one layer after the other."""
        name, layer = self._network.name_of_pass(0, is_float=True), 0
        while output := means.next_layer:
            sums = dict[Tile, Sums]()

            async def work(tile: Tile, output: str = output, layer: int = layer, sums: Any = sums) -> None:
                tensor = await to_thread(partial(cut, is_float=True), self._source, tile)
                answer = await self._infer(name, tensor, means.context(tile), output)
                sums[tile] = answer.upscaled[0].astype(np.float64)
                self._progress.tile_measured(tile, layer)

            await for_each(self._tiles, work, self._tiling.in_flight)
            means.add([sums[tile] for tile in self._tiles])
            layer += 1

    async def _infer_tile(
        self, network: Network, tensor: Tensor, tile: Tile, context: Tensor | None = None
    ) -> Answer:
        def count(index: int) -> None:
            self._progress.pass_done(network, tile, index)

        longest = self._tiling.tile
        return await infer_tile(network, self._infer, tensor, tile.source, count, context, longest)

    async def _open_row(self, tile: Tile) -> TileRow:
        """Return the tile's row, with memory for its result. Waits while too many rows are in memory."""
        row = self._row_at[tile.core.top]
        async with self._allocation_lock:
            if row.native is None:
                await self._row_slots.acquire()
                scale = self._network.scale
                _, width, channels = self._source.shape
                shape = ((row.bottom - row.top) * scale, width * scale, channels)
                row.native = np.empty(shape, self._source.dtype)
        return row

    async def _finish(self, row: TileRow, take_rows: TakeRows) -> None:
        """Blend the row with the fallback where that is needed, pass it on, and free its memory."""
        native, row.native = row.native, None
        if native is None:
            raise BadAnswer(f"{self._network.name} returned no rows from {row.top} on")
        weight = await to_thread(fallback_blend.blend_weight, self._uncertainty[:, :, 0], row.top, row.bottom)
        if weight is not None:
            await self._blend_fallback(row, native, weight)
        else:
            self._progress.fallback_planned(row.box, [])
        await take_rows(native)
        self._progress.row_written(row.box)
        self._row_slots.release()

    async def _blend_fallback(self, row: TileRow, native: Pixels, weight: fallback_blend.BlendWeight) -> None:
        network = self._network.fallback
        if network is None:
            raise BadAnswer(f"{self._network.name} is uncertain, and has no fallback")
        scale, (height, width) = self._network.scale, self._source.shape[:2]
        tiles = await to_thread(
            partial(fallback_tiles.plan, is_fixed=self._tiling.is_fixed),
            weight,
            (width, height),
            (row.top, row.bottom),
            network.overlap,
        )
        self._progress.fallback_planned(row.box, tiles)

        async def work(tile: Tile) -> None:
            tensor = await to_thread(cut, self._source, tile)
            answer = await self._infer_tile(network, tensor, tile)
            part = crop_to_core(answer.upscaled, tile, scale, native)
            await to_thread(fallback_blend.blend, native, row.top, part, weight, tile.core, scale)
            self._progress.pass_done(network, tile, network.passes - 1)

        await for_each(tiles, work, self._tiling.in_flight)


def first_pass_tile(network: Network, tiling: Tiling) -> int:
    """Return the longest side of a tile in the first pass.

    Fixed tiles are for engines, which have one largest tile for all passes. The tile of the last pass must
    not exceed it, so that of the first is smaller.
    """
    if network.largest_tile:
        return min(network.largest_tile, tiling.tile)
    if not tiling.is_fixed:
        return tiling.tile
    return max(tiling.tile // network.pass_scale ** (network.passes - 1), 2 * network.overlap + QUANTUM)


async def for_each(
    tiles: Sequence[Tile], work: Callable[[Tile], Coroutine[None, None, None]], workers: int
) -> None:
    """Run `work` for all tiles, at most `workers` at a time. The first failure stops the others. It is raised
    itself, not in a group.
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
