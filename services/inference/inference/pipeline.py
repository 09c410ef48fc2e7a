"""The way of one image, from its stored original to its stored result.

 1. fetch     `Pipeline.fetch`                      the original's bytes from the object store
 2. decode    `Pipeline.decode`                     pixels, in a child process with limits
 3. choose    `Pipeline.choose`                     the requested model, or the one that suits the picture
 4. cut       `tiling.tiles.cut`                    tiles that overlap
 5. infer     `tiling.tile_inference.infer_tile`    each tile at Triton
 6. blend     `tiling.fallback_blend.blend`         the fallback's result where the network is uncertain
 7. resample  `resampling.PictureResampler`         to the exact size, with alpha beside the colours
 8. place     `sizing.PlacementWriter`                        cut off what is too much, or add a border
 9. encode    `encoding.writer`                     the file's bytes
10. store     `Pipeline.store`                      under the key that `images` has chosen

From step 4 to step 9 rows stream through: the result's pixels are never in memory as a whole. Work on pixels
happens in threads, never on the event loop.
"""

import asyncio
import functools
from asyncio import to_thread
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from prometheus_client import Counter

from common.blobs import Blobs
from imagefile.formats import WRITABLE, Format, can_be_animated, media_type
from inference.decoding.pool import Decoder
from inference.drift import DriftCorrection
from inference.encoding import animation
from inference.encoding.writer import open_writer
from inference.errors import Undecodable
from inference.metadata import with_dpi
from inference.nearest import nearest_rows, plain_rows
from inference.networks.auto import Choice, choose_model
from inference.networks.network import ImplausibleAnswer, Infer, Network, smallest_network
from inference.picture import Animation, Header, Picture, Pixels, Size
from inference.plain import is_neutral, one_colour
from inference.resampling import PictureResampler, fill_hidden_colours
from inference.sizing import Fit, Placement, PlacementWriter, WriteRows, place
from inference.stage_metrics import timed
from inference.tiling.inference_cache import InferenceCache
from inference.tiling.tile_rows import Progress, TiledPass
from inference.tiling.tiles import QUANTUM, SMALLEST_TILE, Tiling
from inference.triton.client import Triton
from loupe.contract import LONGEST_OUTPUT_SIDE
from loupe.images.v1 import images_pb2

if TYPE_CHECKING:
    from inference.availability import Availability

MOST_OUTPUT_PIXELS = LONGEST_OUTPUT_SIDE**2
"""Limit for all frames of a result together, unless the work order names another."""
FORMATS: dict[int, Format] = {images_pb2.Format.Value(f"FORMAT_{name}"): name for name in WRITABLE}
FITS: dict[int, Fit] = {
    images_pb2.FIT_UNSPECIFIED: "stretch",
    images_pb2.FIT_STRETCH: "stretch",
    images_pb2.FIT_COVER: "cover",
    images_pb2.FIT_CONTAIN: "contain",
}

pixels = Counter("loupe_pixels_total", "Pixels of images that were upscaled", ["direction"])


@dataclass(frozen=True, slots=True)
class RenderSpec:
    """A description of the wanted result."""

    size: Size
    file_format: Format
    networks: tuple[Network, ...]
    tiling: Tiling
    fit: Fit = "stretch"
    quality: int | None = None
    keeps_metadata: bool = False
    dpi: int | None = None
    """Pixels an inch of the result. None keeps the original's."""
    most_pixels: int = MOST_OUTPUT_PIXELS
    """Limit for all frames of a result together. `images` has checked it, but it may miscount the frames of a
    damaged file.
    """

    def header(self, picture: Picture, placement: Placement) -> Header:
        """Return the result's header. A border adds an alpha channel if the format has one."""
        header = picture.header(self.size)
        header = header if self.keeps_metadata else replace(header, exif=None)
        header = replace(header, dpi=(self.dpi, self.dpi)) if self.dpi else header
        has_border = self.fit == "contain" and placement.inner != self.size
        if has_border and WRITABLE[self.file_format].alpha and not header.has_alpha:
            return replace(header, channels=header.channels + 1)
        return header

    def tiling_for(self, picture: Picture) -> Tiling:
        """Return smaller tiles for 16 bits, which travel to Triton as floats and are four times as large."""
        tile = self.tiling.tile if picture.depth == 8 else self.tiling.tile // 2
        smallest = (2 * network.overlap + QUANTUM for network in self.networks)
        return replace(self.tiling, tile=max(tile, SMALLEST_TILE, *smallest))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps from the original to the result, with the clients that they use."""

    blobs: Blobs
    decoder: Decoder
    triton: Triton
    availability: "Availability"
    tiling: Tiling

    async def upscale(self, order: images_pb2.WorkOrder, progress: Progress) -> tuple[bytes, Choice]:
        """Return the result's file and the model that made it.

        Raises `Undecodable` if the picture is at fault, `NotServed` if this worker does not serve the
        model, and the errors of the object store and of Triton.
        """
        picture = await self.decode(order, await self.fetch(order))
        choice = await self.choose(order, picture)
        spec = RenderSpec(
            (order.size.width, order.size.height),
            FORMATS[order.format],
            choice.model.networks,
            self.tiling,
            fit=FITS[order.fit],
            quality=order.quality or None,
            keeps_metadata=order.keeps_metadata,
            dpi=order.dpi or None,
            most_pixels=order.largest_output_pixels or MOST_OUTPUT_PIXELS,
        )
        with timed("infer"):  # and encode, because rows are written as they are ready
            try:
                data = await render(picture, spec, self._infer_in_turn(order), progress)
            except ImplausibleAnswer as error:
                # raises a Triton error if the network answers a test tile wrongly too
                await self.triton.send_canaries([error.model])
                raise
        count_pixels(picture, spec)
        return data, choice

    def _infer_in_turn(self, order: images_pb2.WorkOrder) -> Infer:
        """Return an `Infer` whose tiles take the turns of the image's user."""
        key = order.fairness_key or f"image {order.image_id}"  # the previous release sends no key
        return functools.partial(self.triton.infer, key=key)

    async def fetch(self, order: images_pb2.WorkOrder) -> bytes:
        with timed("fetch"):
            return await self.blobs.get(order.original_path)

    async def decode(self, order: images_pb2.WorkOrder, original: bytes) -> Picture | Animation:
        with timed("decode"):
            return await self.decoder.decode(original, order.largest_input_pixels)

    async def choose(self, order: images_pb2.WorkOrder, picture: Picture | Animation) -> Choice:
        return await asyncio.to_thread(choose_model, order.model, picture, self.availability.models)

    async def store(self, order: images_pb2.WorkOrder, data: bytes) -> None:
        with timed("store"):
            await self.blobs.put(order.upscaled_path, data, media_type(FORMATS[order.format]))


async def render(
    original: Picture | Animation, spec: RenderSpec, infer: Infer, progress: Progress | None = None
) -> bytes:
    """Return the result's file (steps 4 to 9).

    If the format cannot hold an animation, only its first frame is rendered.
    """
    if isinstance(original, Picture):
        return await render_still(original, spec, infer, progress)
    if not can_be_animated(spec.file_format):
        return await render_still(original.frames[0], spec, infer, progress)
    return await render_animation(original, spec, infer, progress)


async def render_still(picture: Picture, spec: RenderSpec, infer: Infer, progress: Progress | None) -> bytes:
    placement = place(picture.size, spec.size, spec.fit)
    header = spec.header(picture, placement)
    writer = await to_thread(
        open_writer, spec.file_format, header, quality=spec.quality, is_lossless=picture.is_lossless
    )
    placement_writer = await to_thread(PlacementWriter, placement, header, writer.write)
    await render_frame(picture, spec, placement_writer, placement, infer, progress)
    return await to_thread(writer.finish)


async def render_animation(
    original: Animation, spec: RenderSpec, infer: Infer, progress: Progress | None
) -> bytes:
    count = len(original.frames)
    if count * spec.size[0] * spec.size[1] > spec.most_pixels:
        raise Undecodable(f"{count} frames of {spec.size[0]} x {spec.size[1]}", reason="too_many_pixels")
    cached_infer = InferenceCache(infer)
    frames: list[Image.Image] = []
    for number, picture in enumerate(original.frames, 1):
        rows: list[Pixels] = []
        placement = place(picture.size, spec.size, spec.fit)
        placement_writer = PlacementWriter(placement, spec.header(picture, placement), rows.append)
        await render_frame(picture, spec, placement_writer, placement, cached_infer, None)
        frames.append(await to_thread(join_rows, rows, spec.file_format))
        if progress:
            progress(number, count)
    exif = original.frames[0].exif if spec.keeps_metadata else None
    exif = with_dpi(exif, (spec.dpi, spec.dpi) if spec.dpi else original.frames[0].dpi)
    return await to_thread(animation.encode, frames, original, spec.file_format, spec.quality, exif)


def join_rows(rows: list[Pixels], file_format: Format) -> Image.Image:
    return animation.prepare_frame(np.concatenate(rows), file_format)


async def render_frame(
    picture: Picture,
    spec: RenderSpec,
    placement_writer: PlacementWriter,
    placement: Placement,
    infer: Infer,
    progress: Progress | None,
) -> None:
    """Pass all rows of one picture of the result to `placement_writer` (steps 4 to 8)."""
    await upscale(
        picture,
        placement.inner,
        infer,
        placement_writer.write,
        networks=spec.networks,
        tiling=spec.tiling_for(picture),
        progress=progress,
    )
    await to_thread(placement_writer.end)


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
            progress(1, 1)
        return
    network = smallest_network(networks, picture.size, size)
    source = await to_thread(network_input, picture)
    tiled = TiledPass(network, source, infer, tiling)
    resampler = PictureResampler(picture, size, network.scale)
    correction = DriftCorrection(source, network.scale) if source.shape[2] == 1 else None

    def resample_and_write(native: Pixels) -> None:
        for rows in correction.push(native) if correction else (native,):
            write_all(resampler.push(rows), write)

    async def take_rows(native: Pixels) -> None:
        await to_thread(resample_and_write, native)

    await tiled.run(take_rows, progress)


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


def count_pixels(picture: Picture | Animation, spec: RenderSpec) -> None:
    frames = picture.frames if isinstance(picture, Animation) else [picture]
    count = len(frames) if can_be_animated(spec.file_format) else 1
    pixels.labels("in").inc(count * frames[0].width * frames[0].height)
    pixels.labels("out").inc(count * spec.size[0] * spec.size[1])
