"""Decodes PNG and TIFF of 16 bits a sample, in the decoding child.

libvips reads them, because Pillow reduces them to 8 bits. Pixels are fetched in regions: for a whole picture
libvips starts threads, and the child may start none.
"""

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

from PIL import Image

from imagefile import tiff_kinds
from imagefile.formats import Format
from imagefile.tiff import HEIGHT, SAMPLES, WIDTH, Tags
from inference import metadata
from inference.decoding import cpu_budget, modes, png_profile, tiff_rewrite
from inference.decoding.libvips import pyvips
from inference.decoding.modes import Unsupported
from inference.decoding.protocol import Decoded, DecodedHeader

STRIP_BYTES = 1 << 20
MOST = 65_535
GREY, COLOUR, INK = ("b-w", "grey16"), ("srgb", "rgb16", "rgb"), ("cmyk",)
"""Interpretations of pixels, as libvips names them."""


class SixteenBit(NamedTuple):
    """Samples of 16 bits in this machine's byte order, alpha last, not turned upright."""

    width: int
    height: int
    channels: int
    icc: bytes
    orientation: int
    strips: list[bytes]


def read_png(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    """Decode a PNG. Pillow finds its orientation in more places than libvips."""
    picture = decode(open_by_libvips(data, file_format, most_pixels))
    tags = metadata.read(Image.open(io.BytesIO(data), formats=[file_format]))
    icc = png_profile.profile(data, picture.icc, is_grey=picture.channels < 3)
    return describe(picture._replace(orientation=tags.orientation, icc=icc), file_format, tags)


def read_tiff(data: bytes, found: metadata.Metadata, most_pixels: int) -> Decoded:
    """Decode a TIFF. libvips takes any further channel for alpha."""
    tags = Tags(data)
    image = open_tiff(data, most_pixels)
    if not tiff_kinds.has_alpha(tags):
        image = image.extract_band(0, n=tiff_kinds.COLOURS[tiff_kinds.photometric(tags)])
    return describe(decode(image), "TIFF", found)


def describe(picture: SixteenBit, file_format: Format, tags: metadata.Metadata) -> Decoded:
    icc = modes.usable_profile(picture.icc, is_grey=picture.channels < 3)
    header = DecodedHeader(
        width=picture.width,
        height=picture.height,
        channels=picture.channels,
        depth=16,
        orientation=picture.orientation,
        format=file_format,
        has_alpha=picture.channels in (2, 4),
        alpha_follows=False,
        is_lossless=True,
        jpeg_quality=None,
        icc_bytes=len(icc),
        exif_bytes=len(tags.exif),
        milliseconds=[],
        loop=None,
        dpi=list(tags.dpi) if tags.dpi else None,
    )
    return Decoded(header, (*picture.strips, icc, tags.exif))


def decode(image: pyvips.Image) -> SixteenBit:
    """Decode a picture. Raise `Unsupported` if libvips cannot: Pillow might, but only with 8 bits."""
    fields: dict[str, Any] = {name: image.get(name) for name in image.get_fields()}
    icc, orientation = bytes(fields.get("icc-profile-data", b"")), int(fields.get("orientation", 1))
    if image.interpretation in INK:
        image = ink_to_srgb(image, icc)
    if image.format != "ushort" or image.interpretation not in (*GREY, *COLOUR) or image.bands > 4:
        raise Unsupported(f"{image.bands} samples of 16 bits, {image.interpretation}")
    return SixteenBit(image.width, image.height, image.bands, icc, orientation, list(strips(image)))


def ink_to_srgb(image: pyvips.Image, icc: bytes) -> pyvips.Image:
    """Convert CMYK as `modes.to_srgb` does for 8 bits: by the profile, or else by Pillow's formula."""
    if modes.is_ink_profile(icc):
        return image.icc_transform(
            "srgb", embedded=True, depth=16, intent="relative", black_point_compensation=True
        )
    light = image.linear([-1], [MOST])
    colours = light.extract_band(0, n=3) * light.extract_band(3) / MOST
    return colours.rint().cast("ushort").copy(interpretation="rgb16")


def open_by_libvips(data: bytes | bytearray, file_format: Format, most_pixels: int) -> pyvips.Image:
    is_png = file_format == "PNG"
    load: Any = pyvips.Image.pngload_buffer if is_png else pyvips.Image.tiffload_buffer
    image: pyvips.Image = load(data, access="sequential", fail_on="error")
    check_pixels(image.width, image.height, most_pixels)
    return image


def open_tiff(data: bytes | bytearray, most_pixels: int) -> pyvips.Image:
    """Open a TIFF. Rewrite it first if libvips cannot read how its samples are stored."""
    tags = Tags(data)
    check_pixels(tags.number(WIDTH), tags.number(HEIGHT), most_pixels)
    samples = tags.number(SAMPLES, 1)
    if tiff_rewrite.has_tiled_planes(tags):
        planes = (
            open_tiff(tiff_rewrite.extract_plane(data, tags, index), most_pixels) for index in range(samples)
        )
        all_strips = (strip for plane in planes for strip in strips(plane))
        data = tiff_rewrite.join_planes(tags, rows_of_strip(tags.number(WIDTH)), all_strips)
    elif tiff_rewrite.is_lzma(tags):
        data = tiff_rewrite.recompress(data, tags)
    return open_by_libvips(data, "TIFF", most_pixels)


def check_pixels(width: int, height: int, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise Image.DecompressionBombError(f"{width} x {height} pixels, at most {most_pixels}")
    cpu_budget.announce(width * height)


def strips(image: pyvips.Image) -> Iterator[bytes]:
    region = pyvips.Region.new(image)
    rows = rows_of_strip(image.width * image.bands)
    for top in range(0, image.height, rows):
        yield bytes(region.fetch(0, top, image.width, min(rows, image.height - top)))


def rows_of_strip(samples: int) -> int:
    """Return how many rows of `samples` samples make one strip."""
    return max(1, STRIP_BYTES // (samples * 2))
