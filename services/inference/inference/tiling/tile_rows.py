"""A picture through a model, tile by tile and row by row of tiles, at the model's own scale.

Only a few rows of tiles are held. Where the model doubts itself, the clean model takes its place.
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
from inference.tiling.tiles import QUANTUM, Tile, Tiling, cut, kept, paste, plan, plan_band, rows_of

Give = Callable[[Pixels], Awaitable[None]]
"""Takes the next rows, height x width x channels."""
Progress = Callable[[int, int], None]
"""Told after each tile how many of how many are done."""

CLEAN = {
    2: Network("waifu2x_photo_x2", scale=2, overlap=10),
    4: Network("waifu2x_photo_x2", scale=4, overlap=15, passes=2),
}
"""What takes the place of another where that doubts itself, by scale."""
CLEAN_TILE = 256
HELD = 3
"""Rows of tiles: one that waits for the doubt below it, and two under way."""


@dataclass(eq=False, slots=True)
class Band:
    """A row of tiles."""

    tiles: Sequence[Tile]
    native: Pixels | None = None
    """What is there of it so far, at the net's scale."""
    left: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def top(self) -> int:
        return self.tiles[0].keep.top

    @property
    def bottom(self) -> int:
        return self.tiles[0].keep.bottom


class TiledPass:
    """One picture's way through a net."""

    def __init__(self, net: Network, source: Pixels, infer: Infer, tiling: Tiling) -> None:
        """`source` is height x width x channels."""
        self._net = net
        self._source = source
        self._infer = infer
        self._tiling = tiling
        height, width = source.shape[:2]
        self._doubt = np.zeros((height, width, 1), np.uint8)
        self._tiles = plan(width, height, tile_for(net, tiling), net.overlap, is_fixed=tiling.is_fixed)
        self._bands = [Band(row, left=len(row)) for row in rows_of(self._tiles)]
        self._band_of = {band.top: band for band in self._bands}
        self._room = asyncio.Semaphore(HELD)
        self._opening = asyncio.Lock()
        self._done = 0

    async def run(self, give: Give, progress: Progress | None = None) -> None:
        """Gives the rows at the net's scale, from the top."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._infer_all(progress))
                above: Band | None = None
                for band in self._bands:
                    await band.done.wait()
                    if above:  # its doubt is whole only now
                        await self._finish(above, give)
                    above = band
                if above:
                    await self._finish(above, give)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _infer_all(self, progress: Progress | None) -> None:
        async def work(tile: Tile) -> None:
            band = await self._opened(tile)
            answer = await infer_tile(
                self._net, self._infer, await to_thread(cut, self._source, tile), tile.source
            )
            if band.native is not None:
                await to_thread(paste, answer.upscaled, tile, self._net.scale, band.native, band.top)
            if answer.doubt is not None:
                paste(answer.doubt, tile, 1, self._doubt)
            band.left -= 1
            self._done += 1
            if progress:
                progress(self._done, len(self._tiles))
            if not band.left:
                band.done.set()

        await for_each(self._tiles, work, self._tiling.in_flight)

    async def _opened(self, tile: Tile) -> Band:
        """The tile's band, with room for its result; waits while too many are held."""
        band = self._band_of[tile.keep.top]
        async with self._opening:
            if band.native is None:
                await self._room.acquire()
                scale = self._net.scale
                _, width, channels = self._source.shape
                shape = ((band.bottom - band.top) * scale, width * scale, channels)
                band.native = np.empty(shape, self._source.dtype)
        return band

    async def _finish(self, band: Band, give: Give) -> None:
        native, band.native = band.native, None
        if native is None:
            raise BadAnswer(f"{self._net.name} left out the rows from {band.top} on")
        weight = await to_thread(fallback_blend.weight_of, self._doubt[:, :, 0], band.top, band.bottom)
        if weight is not None:
            await self._mend(band, native, weight)
        await give(native)
        self._room.release()

    async def _mend(self, band: Band, native: Pixels, weight: fallback_blend.Weight) -> None:
        """Puts the clean model's result where the other is doubtful."""
        scale, (height, width) = self._net.scale, self._source.shape[:2]
        net = CLEAN[scale]
        rows = (band.top, band.bottom)
        tiles = plan_band((width, height), rows, CLEAN_TILE, net.overlap, is_fixed=self._tiling.is_fixed)

        async def work(tile: Tile) -> None:
            answer = await infer_tile(net, self._infer, await to_thread(cut, self._source, tile), tile.source)
            clean = kept(answer.upscaled, tile, scale, native.shape[2])
            await to_thread(fallback_blend.blend, native, band.top, clean, weight, tile.keep, scale)

        doubtful = [tile for tile in tiles if weight.is_needed(tile.keep)]
        await for_each(doubtful, work, self._tiling.in_flight)


def tile_for(net: Network, tiling: Tiling) -> int:
    """Fixed ones are for engines, which take no larger ones in the last pass either."""
    if not tiling.is_fixed:
        return tiling.tile
    return max(tiling.tile // net.step ** (net.passes - 1), 2 * net.overlap + QUANTUM)


async def for_each(
    tiles: Sequence[Tile], work: Callable[[Tile], Coroutine[None, None, None]], workers: int
) -> None:
    """The first failure stops the others and is raised as itself."""
    waiting = iter(tiles)

    async def one_after_another() -> None:
        for each in waiting:
            await work(each)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(one_after_another())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
