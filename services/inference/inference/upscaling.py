"""Upscales one picture: its rows pass through the network and are resampled to the exact size (steps 4 to 7).

A picture of one colour and one of a model without networks never reach Triton.
"""

from asyncio import to_thread
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from inference.drift import DriftCorrection
from inference.nearest import nearest_rows, plain_rows
from inference.networks.network import Infer, Network, smallest_network
from inference.picture import Picture, Pixels, Size
from inference.plain import neutral_channel, one_colour
from inference.resampling import PictureResampler, fill_hidden_colours
from inference.sizing import WriteRows
from inference.tiling.progress import Progress
from inference.tiling.tile_rows import TiledPass
from inference.tiling.tiles import Tiling

SMALLEST_SIDE, MARGIN = 4, 8
"""A picture with a shorter side gets a margin of so many pixels."""


async def upscale(
    picture: Picture,
    size: Size,
    infer: Infer,
    write: WriteRows,
    *,
    networks: Sequence[Network],
    tiling: Tiling = Tiling(),  # noqa: B008  frozen
    progress: Progress | None = None,
) -> None:
    """Write the rows of the picture at exactly this size, with alpha last (steps 4 to 7).

    A model without networks repeats pixels. A network never sees a picture of one colour, which stays that
    colour, and it sees one channel of a picture without colour, whose result has no colour either.
    """
    rows = await to_thread(rows_without_network, picture, size, networks)
    if rows is not None:
        await to_thread(write_all, rows, write)
        if progress:
            progress(1.0)
        return
    network = smallest_network(networks, picture.size, size)
    source = await to_thread(network_input, picture)
    margin = Margin(source, network.scale, is_even=bool(network.pooled))
    tiled = TiledPass(network, margin.added, infer, tiling, progress)
    resampler = PictureResampler(picture, size, network.scale)
    correction = DriftCorrection(source, network.scale) if source.shape[2] == 1 else None

    def resample_and_write(framed: Pixels) -> None:
        native = margin.cut_off(framed)
        for rows in correction.push(native) if correction else (native,):
            write_all(resampler.push(rows), write)

    async def take_rows(native: Pixels) -> None:
        await to_thread(resample_and_write, native)

    await tiled.run(take_rows)


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
