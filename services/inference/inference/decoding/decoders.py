"""The function that decodes each format, in the decoding child.

A decoder takes the file, its format, and the limit of pixels. It may raise any error.
"""

import codecs
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from imagefile import formats, jpeg_pixels, png, png_metadata
from imagefile.formats import READABLE, Format
from inference import libjxl
from inference.decoding import animation, avif, bmp, heif, jxl, sequences, sixteen_bit, still, tiff
from inference.decoding.modes import Unsupported
from inference.decoding.protocol import Decoded

# Loaded before the child is confined. Later it could open none of them.
for plugin in ("Bmp", "Gif", "Jpeg", "Mpo", "Png", "Tiff", "WebP"):
    import_module(f"PIL.{plugin}ImagePlugin")
for name in ("ImageCms", "ImageColor", "ImageFilter", "ImagePalette"):
    import_module(f"PIL.{name}")
Image.preinit()
libjxl.load()
for codec in ("ascii", "latin-1", "utf-8", "utf-16-le", "utf-16-be"):
    codecs.lookup(codec)

PngImagePlugin.MAX_TEXT_CHUNK = png_metadata.MOST_INFLATED  # also limits colour profiles
LONGEST_SECONDS = 10.0
"""Processor time for finding out whether a JPEG is complete."""

Decode = Callable[[bytes, Format, int], Decoded]


def decode_still_or_16_bit(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    read = sixteen_bit.read_png if png.bit_depth(data) == 16 else still.read
    return read(data, file_format, most_pixels)


def decode_still_or_animation(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    opened = still.open_image(data, file_format, most_pixels)
    if animation.is_animated(opened):
        return animation.read(opened, data, file_format, most_pixels)
    return still.read_opened(opened, data, file_format)


def decode_jpeg(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    """Decode a JPEG. Raise `OSError` for one that lacks pixels, which libjpeg would make up."""
    opened = still.open_image(data, file_format, most_pixels)
    if not jpeg_pixels.are_complete(data, most_bytes=sys.maxsize, longest_seconds=LONGEST_SECONDS):
        raise OSError("the file ends before its pixels do")
    return still.read_opened(opened, data, file_format)


DECODERS: Mapping[Format, Decode] = formats.require_entries(
    READABLE,
    {
        "JPEG": decode_jpeg,
        "PNG": decode_still_or_16_bit,
        "WEBP": decode_still_or_animation,
        "BMP": bmp.read,
        "TIFF": tiff.read,
        "GIF": decode_still_or_animation,
        "AVIF": avif.read,
        "JXL": jxl.read,
        "HEIF": heif.read,
    },
    "decoder",
)


def decode(data: bytes, most_pixels: int, *, all_pictures: bool = False) -> Decoded:
    """Decode a file of the format that its signature names. Raise `UnidentifiedImageError` for an unknown
    one.

    With `all_pictures`, the pages of a TIFF and the frames of an animated PNG follow the first picture.
    """
    file_format = formats.identify(data)
    if file_format is None:
        raise UnidentifiedImageError("the file has no known signature")
    reading = READABLE[file_format]
    if feature := reading.unsupported_feature(data):
        raise Unsupported(feature)
    decoded = DECODERS[file_format](reading.for_decoder(data), file_format, most_pixels)
    if all_pictures and file_format in sequences.READERS:
        return sequences.read(decoded, data, file_format, most_pixels)
    return decoded
