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

From step 4 to step 9 rows stream through: the result's pixels are never in memory as a whole. Those of its
first picture also make its preview. Work on pixels happens in threads, never on the event loop."""

import asyncio
import math
from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from common.blobs import STORE_ERRORS, Blobs
from imagefile.formats import keeps_all, media_type
from imagefile.tiff_pages import enlarged
from inference.decoding.pool import Decoder
from inference.encoding import animation, tiff
from inference.encoding.options import Options
from inference.encoding.writer import open_writer
from inference.errors import Undecodable
from inference.networks.auto import Choice, choose_model, main_choice
from inference.networks.network import ImplausibleAnswer, Infer
from inference.picture import Animation, Pages, Picture, Pixels, Size
from inference.previews.sides import Files, JobPreviews, PreviewRules, Watch, beside
from inference.previews.storing import store_previews
from inference.render_spec import FORMATS, RenderSpec, spec_of
from inference.sizing import Placement, PlacementWriter, place
from inference.stage_metrics import count_pixels, timed
from inference.store_outage import PATIENCE_SECONDS, Outage
from inference.tiling.inference_cache import InferenceCache
from inference.tiling.inference_count import InferenceCount
from inference.tiling.progress import Progress, of_frame
from inference.tiling.tiles import Tiling
from inference.triton.client import Triton
from inference.triton.precision import EXACT, infer_for, lowest
from inference.triton.tile_turns import Turn
from inference.upscaling import upscale
from loupe.images.v1 import images_pb2

if TYPE_CHECKING:
    from inference.availability import Availability


class Upscaled(NamedTuple):
    """A result."""

    data: bytes
    choice: Choice
    pictures: int
    """The pages or frames that could be decoded."""
    megapixels: float
    """The pixels that networks wrote for it, with overlaps and the fallback's part."""
    previews: Files
    precision: str = ""
    """The lowest precision that a network computed in. Empty if no network did, or if Triton does not say."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps from the original to the result, with the clients that they use."""

    blobs: Blobs
    decoder: Decoder
    triton: Triton
    availability: "Availability"
    tiling: Tiling
    preview_rules: PreviewRules
    precision: str = "auto"
    """`exact` demands single precision for all images, and `auto` only for those whose orders do."""
    patience_seconds: float = PATIENCE_SECONDS
    """How long it waits for an object store that fails."""

    async def upscale(self, order: images_pb2.WorkOrder, progress: Progress) -> Upscaled:
        """Return the result's file, the model that made it, and the number of its pages or frames.

        Raises `Undecodable` if the picture is at fault, `NotServed` if this worker does not serve the
        model, and the errors of the object store and of Triton.
        """
        picture = await self.decode(order, await self.fetch(order))
        choices = await self.choose(order, picture)
        choice = main_choice(choices)
        is_single = self._is_exact(order) and not self.triton.is_gpu
        spec = spec_of(order, choices, self.tiling, is_single=is_single)
        first, count = (picture, 1) if isinstance(picture, Picture) else (picture.first, picture.count)
        infer = InferenceCount(self._infer_in_turn(order, count * math.prod(first.size)))
        previews = JobPreviews(self.preview_rules, spec.file_format, is_on=bool(order.previews_path))
        with timed("infer"):  # and encode, because rows are written as they are ready
            try:
                async with previews.beside(first) as watch:
                    data = await render(picture, spec, infer, progress, watch)
            except ImplausibleAnswer as error:
                # raises a Triton error if the network answers a test tile wrongly too
                await self.triton.send_canaries([error.model])
                raise
        count_pixels(picture, spec.file_format, spec.size)
        return Upscaled(data, choice, count, infer.megapixels, previews.files, lowest(infer.precisions))

    def _infer_in_turn(self, order: images_pb2.WorkOrder, pixels: int) -> Infer:
        """Return an `Infer` whose tiles take the turns of the image's user. `pixels` are the original's."""
        # the previous release sends no key
        turn = Turn(order.fairness_key or f"image {order.image_id}", pixels)
        return infer_for(self.triton, turn, is_exact=self._is_exact(order))

    def _is_exact(self, order: images_pb2.WorkOrder) -> bool:
        return EXACT in (order.precision, self.precision)

    async def fetch(self, order: images_pb2.WorkOrder) -> bytes:
        with timed("fetch"):
            return await Outage(self.patience_seconds).outlast(lambda: self.blobs.get(order.original_path))

    async def decode(self, order: images_pb2.WorkOrder, original: bytes) -> Picture | Animation | Pages:
        with timed("decode"):
            return await self.decoder.decode(
                original,
                order.largest_input_pixels,
                order.fairness_key,
                all_pictures=order.pictures > 0,
            )

    async def choose(
        self, order: images_pb2.WorkOrder, original: Picture | Animation | Pages
    ) -> Sequence[Choice]:
        """Return the model for each page, or the one for the picture or the animation."""
        served = self.availability.models
        parts = original.pages if isinstance(original, Pages) else [original]
        denoise = order.denoise if order.HasField("denoise") else None
        strength = order.strength if order.HasField("strength") else None
        return [await to_thread(choose_model, order.model, each, served, denoise, strength) for each in parts]

    async def store(
        self, order: images_pb2.WorkOrder, upscaled: Upscaled, unwanted: asyncio.Task[Any] | None = None
    ) -> list[str]:
        """Store the result and its previews. Return the names of those previews that are stored.

        If the store fails or refuses, the result is offered again, until the task `unwanted` has ended.
        """
        media = media_type(FORMATS[order.format])
        put = partial(self.blobs.put, order.upscaled_path, upscaled.data, media)
        outage = Outage(self.patience_seconds, unwanted)
        with timed("store"):
            stored, _ = await asyncio.gather(
                store_previews(self.blobs, order.previews_path, upscaled.previews, outage),
                outage.outlast(put, STORE_ERRORS),
            )
            return stored


async def render(
    original: Picture | Animation | Pages,
    spec: RenderSpec,
    infer: Infer,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> bytes:
    """Return the result's file (steps 4 to 9). The rows of its first picture go to `watch`, too.

    If the format cannot hold the original's pages or frames, only the first is rendered.
    """
    if isinstance(original, Picture):
        return await render_still(original, spec, infer, progress, watch)
    first = original.first
    if original.count == 1 or not keeps_all(spec.file_format, first.source_format):
        return await render_still(first, spec, infer, progress, watch)
    if isinstance(original, Pages):
        return await render_pages(original, spec, infer, progress, watch)
    return await render_animation(original, spec, infer, progress, watch)


async def render_still(
    picture: Picture, spec: RenderSpec, infer: Infer, progress: Progress | None, watch: Watch | None
) -> bytes:
    placement = place(picture.size, spec.size, spec.fit)
    header = spec.header(picture, placement)
    writer = await to_thread(
        open_writer, spec.file_format, header, quality=spec.quality, is_lossless=picture.is_lossless
    )
    write = await to_thread(beside, writer.write, header, watch)
    placement_writer = await to_thread(PlacementWriter, placement, header, write)
    await render_frame(picture, spec, placement_writer, placement, infer, progress)
    return await to_thread(writer.finish)


async def render_pages(
    original: Pages, spec: RenderSpec, infer: Infer, progress: Progress | None, watch: Watch | None
) -> bytes:
    """Return a TIFF. All pages grow by the factors of the first."""
    count, file = original.count, tiff.File()
    sizes = [enlarged(page.size, original.pages[0].size, spec.size) for page in original.pages]
    check_pixels(sizes, spec)
    for number, (page, size) in enumerate(zip(original.pages, sizes, strict=True)):
        networks = spec.networks_of_pages[number] if spec.networks_of_pages else spec.networks
        page_spec = replace(spec, size=size, networks=networks)
        placement = place(page.size, size, spec.fit)
        header = page_spec.header(page, placement)
        writer = tiff.Writer(header, Options(spec.quality, page.is_lossless), file)
        write = await to_thread(beside, writer.write, header, None if number else watch)
        placement_writer = await to_thread(PlacementWriter, placement, header, write)
        await render_frame(
            page, page_spec, placement_writer, placement, infer, of_frame(progress, number, count)
        )
        await to_thread(writer.end_page)
    return await to_thread(file.out.getvalue)


async def render_animation(
    original: Animation, spec: RenderSpec, infer: Infer, progress: Progress | None, watch: Watch | None
) -> bytes:
    pictures = [*([original.hidden] if original.hidden else []), *original.frames]
    check_pixels([spec.size] * original.count, spec)
    cached_infer = InferenceCache(infer)
    header = spec.header(original.frames[0], place(original.frames[0].size, spec.size, spec.fit))
    writer = await to_thread(animation.open_writer, spec.file_format, header, original, spec.quality)
    for number, picture in enumerate(pictures):
        rows: list[Pixels] = []
        placement = place(picture.size, spec.size, spec.fit)
        frame_header = spec.header(picture, placement)
        write = await to_thread(beside, rows.append, frame_header, None if number else watch)
        placement_writer = PlacementWriter(placement, frame_header, write)
        report = of_frame(progress, number, len(pictures))
        await render_frame(picture, spec, placement_writer, placement, cached_infer, report)
        await to_thread(writer.write_hidden if picture is original.hidden else writer.write_frame, rows)
    return await to_thread(writer.finish)


def check_pixels(sizes: Sequence[Size], spec: RenderSpec) -> None:
    """Raise `Undecodable` if the pages or frames of a result have too many pixels together."""
    if sum(width * height for width, height in sizes) > spec.most_pixels:
        raise Undecodable(f"{len(sizes)} pages or frames, as of {sizes[0]}", reason="too_many_pixels")


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
        mix=spec.mix,
        tiling=spec.tiling_for(picture),
        progress=progress,
    )
    await to_thread(placement_writer.end)
