"""Upscales, decodes and encodes whole pictures for tests. The worker itself handles only rows."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from inference.decoding.pool import Decoder
from inference.encoding.writer import Writer, open_writer
from inference.networks.network import Infer
from inference.picture import Animation, Format, Picture, Pixels
from inference.resampling import Resampler
from inference.tiling.tiles import Tiling
from inference.upscaling import upscale
from tests.inference.built_models import FAITHFUL


async def upscaled(picture: Picture, size: tuple[int, int], infer: Infer, **options: Any) -> Picture:
    """Upscale a picture. `options` are those of `upscale` and the fields of `Tiling`."""
    rows: list[Pixels] = []
    tiling = {field.name: options.pop(field.name) for field in fields(Tiling) if field.name in options}
    options.setdefault("networks", FAITHFUL.networks)
    await upscale(picture, size, infer, rows.append, tiling=Tiling(**tiling), **options)
    samples = np.concatenate(rows)
    colour = picture.pixels.shape[2]
    alpha = samples[:, :, colour] if picture.alpha is not None else None
    return replace(picture, pixels=samples[:, :, :colour], alpha=alpha)


async def decode_still(decoder: Decoder, data: bytes) -> Picture:
    picture = await decoder.decode(data)
    assert isinstance(picture, Picture)
    return picture


async def decode_animation(decoder: Decoder, data: bytes) -> Animation:
    animation = await decoder.decode(data)
    assert isinstance(animation, Animation)
    return animation


def written(picture: Picture, file_format: Format, quality: int | None = None, piece: int = 77) -> bytes:
    """Return a picture as a file. The writer gets `piece` rows at a time."""
    header = picture.header(picture.size)
    return filled(
        open_writer(file_format, header, quality=quality, is_lossless=picture.is_lossless), picture, piece
    )


def filled(writer: Writer, picture: Picture, piece: int = 77) -> bytes:
    """Write a picture with the given writer, and return the file."""
    rows = samples(picture)
    for top in range(0, len(rows), piece):
        writer.write(rows[top : top + piece])
    return writer.finish()


def samples(picture: Picture) -> Pixels:
    """Return height x width x channels, alpha last."""
    if not picture.has_alpha:
        return picture.pixels
    highest = np.iinfo(picture.pixels.dtype).max
    opaque = np.full(picture.pixels.shape[:2], highest, picture.pixels.dtype)
    alpha = opaque if picture.alpha is None else picture.alpha
    return np.concatenate([picture.pixels, alpha[:, :, np.newaxis]], axis=2)


def resampled(pixels: Pixels, size: tuple[int, int], piece: int = 50) -> Pixels:
    """Resample pixels. The resampler gets `piece` rows at a time."""
    resampler = Resampler((pixels.shape[1], pixels.shape[0]), size)
    rows = [row for top in range(0, len(pixels), piece) for row in resampler.push(pixels[top : top + piece])]
    return np.concatenate(rows)


def a_drawing() -> Image.Image:
    """Return plain areas with slanted, anti-aliased edges."""
    image = Image.new("RGB", (1200, 900), "#f4e3c1")
    pen = ImageDraw.Draw(image)
    for number in range(9):
        left, top = 90 + 120 * number, 60 + 70 * number
        colour = f"hsl({40 * number}, 70%, 50%)"
        pen.polygon([(left, top), (left + 190, top + 70), (left + 60, top + 260)], colour, "black", 9)
        pen.ellipse((left - 60, top + 150, left + 80, top + 310), colour, "black", 9)
    return image.resize((400, 300), Image.Resampling.LANCZOS)
