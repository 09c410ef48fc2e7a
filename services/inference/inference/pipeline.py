"""From a decoded original to the bytes of its result: a still picture, or an animation frame by frame."""

from asyncio import to_thread
from collections import OrderedDict
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from PIL import Image

from imagefile.formats import WRITABLE, Format
from inference.encoding import animation
from inference.encoding.writer import open_writer
from inference.errors import Undecodable
from inference.networks.network import Answer, Infer, Network
from inference.picture import Animation, Header, Picture, Pixels, Size
from inference.sizing import Fit, Frame, Placement, Write, placed
from inference.tiling.tile_rows import Progress
from inference.tiling.tiles import QUANTUM, SMALLEST_TILE, Tensor, Tiling
from inference.upscale import upscale
from loupe.contract import LONGEST_OUTPUT_SIDE

MOVING = tuple(name for name, writing in WRITABLE.items() if writing.animated)
"""Formats that can hold an animation."""
REMEMBERED_BYTES = 128 << 20
MOST_PIXELS = LONGEST_OUTPUT_SIDE**2
"""Limit for all frames of a result, unless the order names another."""


@dataclass(frozen=True, slots=True)
class RenderSpec:
    """What the result is to be."""

    size: Size
    file_format: Format
    nets: tuple[Network, ...]
    tiling: Tiling
    fit: Fit = "stretch"
    quality: int | None = None
    keeps_metadata: bool = False
    most_pixels: int = MOST_PIXELS
    """Limit for all frames of a result. `images` checked it, but may miscount a damaged file's frames."""

    def placement(self, picture: Picture) -> Placement:
        return placed(picture.size, self.size, self.fit)

    def header(self, picture: Picture) -> Header:
        """With an alpha channel for a border, where the format has one."""
        header = picture.header(self.size)
        header = header if self.keeps_metadata else replace(header, exif=None)
        has_border = self.fit == "contain" and self.placement(picture).inner != self.size
        if has_border and WRITABLE[self.file_format].alpha and not header.has_alpha:
            return replace(header, channels=header.channels + 1)
        return header


async def render(
    original: Picture | Animation, wish: RenderSpec, infer: Infer, progress: Progress | None = None
) -> bytes:
    """Of an animation only the first frame, where the format holds no more."""
    if isinstance(original, Picture):
        return await still(original, wish, infer, progress)
    if wish.file_format not in MOVING:
        return await still(original.frames[0], wish, infer, progress)
    return await moving(original, wish, infer, progress)


async def still(picture: Picture, wish: RenderSpec, infer: Infer, progress: Progress | None) -> bytes:
    header = wish.header(picture)
    writer = await to_thread(
        open_writer, wish.file_format, header, quality=wish.quality, is_lossless=picture.is_lossless
    )
    await fill(picture, wish, header, infer, writer.write, progress)
    return await to_thread(writer.finish)


async def moving(original: Animation, wish: RenderSpec, infer: Infer, progress: Progress | None) -> bytes:
    if len(original.frames) * wish.size[0] * wish.size[1] > wish.most_pixels:
        count = len(original.frames)
        raise Undecodable(f"{count} frames of {wish.size[0]} x {wish.size[1]}", reason="too_many_pixels")
    remembering = Remembering(infer)
    images: list[Image.Image] = []
    for frame in original.frames:
        rows: list[Pixels] = []
        await fill(frame, wish, wish.header(frame), remembering, rows.append, None)
        images.append(await to_thread(held, rows, wish.file_format))
        if progress:
            progress(len(images), len(original.frames))
    exif = original.frames[0].exif if wish.keeps_metadata else None
    return await to_thread(animation.encode, images, original, wish.file_format, wish.quality, exif)


async def fill(
    picture: Picture, wish: RenderSpec, header: Header, infer: Infer, write: Write, progress: Progress | None
) -> None:
    """Writes all rows of the result."""
    placement = wish.placement(picture)
    frame = Frame(placement, header, write)
    # a tile of floats is four times as large on its way
    tile = wish.tiling.tile if picture.depth == 8 else wish.tiling.tile // 2
    tile = max(tile, SMALLEST_TILE, *(2 * net.overlap + QUANTUM for net in wish.nets))
    tiling = replace(wish.tiling, tile=tile)
    await upscale(
        picture, placement.inner, infer, frame.write, nets=wish.nets, tiling=tiling, progress=progress
    )
    await to_thread(frame.end)


def held(rows: list[Pixels], file_format: Format) -> Image.Image:
    return animation.prepare_frame(np.concatenate(rows), file_format)


class Remembering:
    """Asks once for tiles that come again, as most of an animation's do from frame to frame."""

    def __init__(self, infer: Infer) -> None:
        self._infer = infer
        self._known: OrderedDict[tuple[str, tuple[int, ...], bytes], Answer] = OrderedDict()
        self._bytes = 0

    async def __call__(self, model: str, tensor: Tensor) -> Answer:
        digest = await to_thread(digest_of, tensor)
        key = (model, tensor.shape, digest)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        answer = await self._infer(model, tensor)
        if key in self._known:  # two alike were under way
            return answer
        self._known[key] = answer
        self._bytes += answer.upscaled.nbytes
        while self._bytes > REMEMBERED_BYTES:
            _, forgotten = self._known.popitem(last=False)
            self._bytes -= forgotten.upscaled.nbytes
        return answer


def digest_of(tensor: Tensor) -> bytes:
    return blake2b(tensor.tobytes(), digest_size=16).digest()
