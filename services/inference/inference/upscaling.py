"""Upscales one picture: its rows pass through the network and are resampled to the exact size (steps 4 to 7).

A picture of one colour and one of a model without networks never reach Triton.
"""

from asyncio import to_thread
from collections.abc import Iterable, Iterator, Sequence

from inference.drift import DriftCorrection
from inference.nearest import nearest_rows, plain_rows
from inference.networks.network import Infer, Network, smallest_network
from inference.picture import Picture, Pixels, Size
from inference.plain import is_neutral, one_colour
from inference.resampling import PictureResampler, fill_hidden_colours
from inference.sizing import WriteRows
from inference.tiling.progress import Progress
from inference.tiling.tile_rows import TiledPass
from inference.tiling.tiles import Tiling


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
    tiled = TiledPass(network, source, infer, tiling, progress)
    resampler = PictureResampler(picture, size, network.scale)
    correction = DriftCorrection(source, network.scale) if source.shape[2] == 1 else None

    def resample_and_write(native: Pixels) -> None:
        for rows in correction.push(native) if correction else (native,):
            write_all(resampler.push(rows), write)

    async def take_rows(native: Pixels) -> None:
        await to_thread(resample_and_write, native)

    await tiled.run(take_rows)


def rows_without_network(
    picture: Picture, size: Size, networks: Sequence[Network]
) -> Iterator[Pixels] | None:
    """Return the result's rows, or None if a network has to make them."""
    if not networks:
        return nearest_rows(picture, size)
    colour = one_colour(picture)
    return None if colour is None else plain_rows(picture, size, colour)


def network_input(picture: Picture) -> Pixels:
    """Return the colours as the network sees them: one channel if all are equal."""
    source = fill_hidden_colours(picture)
    return source[:, :, :1] if is_neutral(source) else source


def write_all(rows: Iterable[Pixels], write: WriteRows) -> None:
    for each in rows:
        write(each)
