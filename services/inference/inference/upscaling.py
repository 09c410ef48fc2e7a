"""Upscales one picture: its rows pass through the network and are resampled to the exact size (steps 4 to 7).

A picture of one colour and one of a model without networks never reach Triton.
"""

import asyncio
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from inference.drift import DriftCorrection
from inference.mixing import Mix, Mixer, shares_of
from inference.nearest import nearest_rows, plain_rows
from inference.networks.network import Infer, Network, smallest_network
from inference.picture import Picture, Pixels, Size
from inference.plain import neutral_channel, one_colour
from inference.resampling import PictureResampler, fill_hidden_colours
from inference.sizing import WriteRows
from inference.tiling.progress import Progress
from inference.tiling.tile_rows import TiledPass
from inference.tiling.tiles import Tiling

TakeParts = Callable[[Iterable[Pixels]], Awaitable[None]]
"""Takes the next rows in parts."""
SMALLEST_SIDE, MARGIN = 4, 8
"""A picture with a side shorter than the first gets a margin of the second. Both are in pixels."""


async def upscale(
    picture: Picture,
    size: Size,
    infer: Infer,
    write: WriteRows,
    *,
    networks: Sequence[Network],
    mix: Mix | None = None,
    tiling: Tiling = Tiling(),  # noqa: B008  frozen
    progress: Progress | None = None,
) -> None:
    """Write the rows of the picture at exactly this size, with alpha last (steps 4 to 7).

    A model without networks repeats pixels. A network never sees a picture of one colour, which stays that
    colour, and it sees one channel of a picture without colour, whose result has no colour either. With a
    `mix` the result of `networks` is blended over that of the mix's networks.
    """
    rows = await to_thread(rows_without_network, picture, size, networks)
    if rows is not None:
        await to_thread(write_all, rows, write)
        if progress:
            progress(1.0)
        return
    source = await to_thread(network_input, picture)
    network = smallest_network(networks, picture.size, size)
    sides = [network] if mix is None else [smallest_network(mix.under, picture.size, size), network]
    ways = [NetworkWay(picture, size, source, side) for side in sides]
    if mix:
        await run_mixed(ways, Mixer(mix.strength, write), infer, tiling, shares_of(sides, progress))
    else:
        await ways[0].run(infer, tiling, lambda parts: to_thread(write_all, parts, write), progress)


class NetworkWay:
    """The way of a picture through one network to the exact size."""

    def __init__(self, picture: Picture, size: Size, source: Pixels, network: Network) -> None:
        """`source` are the colours as the network sees them."""
        self._network = network
        self._margin = Margin(source, network.scale, is_even=network.is_even)
        self._resampler = PictureResampler(picture, size, network.scale)
        self._correction = DriftCorrection(source, network.scale) if source.shape[2] == 1 else None

    async def run(self, infer: Infer, tiling: Tiling, take: TakeParts, progress: Progress | None) -> None:
        """Infer all tiles. Pass the rows of the exact size to `take`, which makes each part when it needs
        it.
        """
        tiled = TiledPass(self._network, self._margin.added, infer, tiling, progress)
        await tiled.run(lambda framed: take(self._resampled(framed)))

    def _resampled(self, framed: Pixels) -> Iterator[Pixels]:
        native = self._margin.cut_off(framed)
        for rows in self._correction.push(native) if self._correction else (native,):
            yield from self._resampler.push(rows)


async def run_mixed(
    ways: Sequence[NetworkWay],
    mixer: Mixer,
    infer: Infer,
    tiling: Tiling,
    reports: Sequence[Progress | None],
) -> None:
    """Run both ways side by side into the mixer. Together they have as many tiles at Triton as one alone."""
    each = replace(tiling, in_flight=max(1, tiling.in_flight // len(ways)))

    async def put(side: int, parts: Iterable[Pixels]) -> None:
        await mixer.put(side, await to_thread(list, parts))

    try:
        async with asyncio.TaskGroup() as group:
            for index, way in enumerate(ways):
                group.create_task(way.run(infer, each, partial(put, index), reports[index]))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


class Margin:
    """Repeats the outermost pixels of a picture that is too thin for a network, and cuts them off again.

    Networks see zeros beyond a picture. Where these are most of what it sees, `faithful` is wrong by up to 45
    levels. From 4 pixels on, zeros are 1 to 2 dB better.
    A network that takes means over the picture needs even sides.
    """

    def __init__(self, source: Pixels, scale: int, *, is_even: bool = False) -> None:
        self._width = MARGIN if min(source.shape[:2]) < SMALLEST_SIDE else 0
        self._scale = scale
        self._size = source.shape[1] * scale, source.shape[0] * scale
        self._top = -self._width * scale
        """The row of the result that comes next."""
        down, across = (
            (self._width, self._width + (side % 2 if is_even else 0)) for side in source.shape[:2]
        )
        self._is_needed = any((*down, *across))
        self.added = np.pad(source, (down, across, (0, 0)), "edge") if self._is_needed else source

    def cut_off(self, native: Pixels) -> Pixels:
        """Return the next rows of the network without the margin."""
        if not self._is_needed:
            return native
        (width, height), left, top = self._size, self._width * self._scale, self._top
        self._top += len(native)
        return native[max(0, -top) : max(0, height - top), left : left + width]


def rows_without_network(
    picture: Picture, size: Size, networks: Sequence[Network]
) -> Iterator[Pixels] | None:
    """Return the result's rows, or None if a network has to make them."""
    if not networks:
        return nearest_rows(picture, size)
    colour = one_colour(picture)
    return None if colour is None else plain_rows(picture, size, colour)


def network_input(picture: Picture) -> Pixels:
    """Return the colours as the network sees them: one channel of a picture without colour."""
    source = fill_hidden_colours(picture)
    channel = neutral_channel(source, is_lossless=picture.is_lossless)
    return source if channel is None else channel


def write_all(rows: Iterable[Pixels], write: WriteRows) -> None:
    for each in rows:
        write(each)
