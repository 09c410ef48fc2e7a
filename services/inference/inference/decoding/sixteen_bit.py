"""Pictures of 16 bits a sample, in the decoding child: PNG and TIFF through libvips, since Pillow knows
their colours with 8 bits only.

Regions are fetched instead of whole pictures: that needs no thread, of which the child may have none.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image, TiffImagePlugin

from inference.decoding import tiff_rewrite
from inference.decoding.modes import Unsupported

if TYPE_CHECKING:
    import pyvips

STRIP_BYTES = 1 << 20
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
BITS_PER_SAMPLE, SAMPLES, PLANES, EXTRA_SAMPLES, SAMPLE_FORMAT, UNSIGNED = 258, 277, 284, 338, 339, 1
MOST_SAMPLES = 5
"""Ink and one more."""
NO_ALPHA = 0
"""Of an extra sample: nobody knows what it is (TIFF 6.0, section 18)."""
GREY, COLOUR, INK = ("b-w", "grey16"), ("srgb", "rgb16", "rgb"), ("cmyk",)


@dataclass(frozen=True, slots=True)
class SixteenBit:
    """Samples of 16 bits in the machine's order, alpha last; not turned upright."""

    width: int
    height: int
    channels: int
    file_format: str
    icc: bytes
    orientation: int
    strips: list[bytes]


def is_deep(data: bytes) -> bool:
    """Whether all its samples are integers of 16 bits."""
    if data[:2] in (b"II", b"MM"):
        tags = tags_of(data)
        bits, kinds = tags.get(BITS_PER_SAMPLE, (1,)), tags.get(SAMPLE_FORMAT, (UNSIGNED,))
        # libvips mixes up two channels in planes of their own
        is_mixed_up = tags.get(PLANES) == 2 and tags.get(SAMPLES) == 2
        return set(bits) == {16} and set(kinds) == {UNSIGNED} and not is_mixed_up
    return data[:8] == PNG_SIGNATURE and data[24:25] == b"\x10"


def tags_of(data: bytes | bytearray) -> TiffImagePlugin.ImageFileDirectory_v2:
    """Of a TIFF's first picture; Pillow knows no grey with alpha of 16 bits as a picture."""
    file = io.BytesIO(data)
    head = file.read(16 if data[2:4] in (b"+\0", b"\0+") else 8)  # BigTIFF or not
    directory = TiffImagePlugin.ImageFileDirectory_v2(head)
    file.seek(directory.next)
    directory.load(file)
    return directory


def read(data: bytes, most_pixels: int) -> SixteenBit:
    """What libvips cannot read is refused: Pillow might know it, but with 8 bits."""
    is_png = data.startswith(PNG_SIGNATURE)
    image = opened(data, most_pixels) if is_png else opened_tiff(data, most_pixels)
    if image.interpretation in INK:
        image = image.icc_transform("srgb", embedded=True, depth=16, black_point_compensation=True)
    if image.format != "ushort" or image.interpretation not in (*GREY, *COLOUR) or image.bands > 4:
        raise Unsupported(f"{image.bands} samples of 16 bits, {image.interpretation}")
    if not is_png and image.bands in (2, 4) and tags_of(data).get(EXTRA_SAMPLES) == (NO_ALPHA,):
        image = image.extract_band(0, n=image.bands - 1)
    return described(image, "PNG" if is_png else "TIFF")


def opened(data: bytes | bytearray, most_pixels: int) -> "pyvips.Image":
    os.environ["VIPS_CONCURRENCY"] = "1"
    import pyvips  # noqa: PLC0415  most children never meet such a picture

    pyvips.cache_set_max(0)  # it would keep pictures that are done with

    is_png = data.startswith(PNG_SIGNATURE)
    load: Any = pyvips.Image.pngload_buffer if is_png else pyvips.Image.tiffload_buffer
    image: pyvips.Image = load(data, access="sequential", fail_on="error")
    if image.width * image.height > most_pixels:
        size = f"{image.width} x {image.height}"
        raise Image.DecompressionBombError(f"{size} pixels, at most {most_pixels}")
    return image


def opened_tiff(data: bytes | bytearray, most_pixels: int) -> "pyvips.Image":
    tags = tags_of(data)
    if tags[tiff_rewrite.WIDTH] * tags[tiff_rewrite.HEIGHT] > most_pixels:
        size = f"{tags[tiff_rewrite.WIDTH]} x {tags[tiff_rewrite.HEIGHT]}"
        raise Image.DecompressionBombError(f"{size} pixels, at most {most_pixels}")
    if tags.get(SAMPLES, 1) > MOST_SAMPLES:
        raise Unsupported(f"{tags[SAMPLES]} samples of 16 bits")
    if tiff_rewrite.has_tiled_planes(tags):
        planes = (
            opened_tiff(tiff_rewrite.plane(data, tags, index), most_pixels) for index in range(tags[SAMPLES])
        )
        every = (strip for plane in planes for strip in strips(plane))
        data = tiff_rewrite.in_strips(tags, rows_of_strip(tags[tiff_rewrite.WIDTH]), every)
    elif tiff_rewrite.is_lzma(tags):
        data = tiff_rewrite.deflated(data, tags)
    return opened(data, most_pixels)


def described(image: "pyvips.Image", file_format: str) -> SixteenBit:
    told: dict[str, Any] = {name: image.get(name) for name in image.get_fields()}
    return SixteenBit(
        image.width,
        image.height,
        image.bands,
        file_format,
        bytes(told.get("icc-profile-data", b"")),
        int(told.get("orientation", 1)),
        list(strips(image)),
    )


def strips(image: "pyvips.Image") -> Iterator[bytes]:
    import pyvips  # noqa: PLC0415

    region = pyvips.Region.new(image)
    rows = rows_of_strip(image.width * image.bands)
    for top in range(0, image.height, rows):
        yield bytes(region.fetch(0, top, image.width, min(rows, image.height - top)))


def rows_of_strip(samples: int) -> int:
    """Of so many samples a row."""
    return max(1, STRIP_BYTES // (samples * 2))
