"""The function that decodes each format, in the decoding child.

A decoder takes the file, its format, and the limit of pixels. It may raise any error.
"""

from collections.abc import Callable, Mapping
from importlib import import_module

from PIL import UnidentifiedImageError

from imagefile import formats
from imagefile.formats import READABLE, Format
from inference.decoding import animation, avif, heif, sixteen_bit, still
from inference.decoding.protocol import Decoded

for plugin in ("Bmp", "Gif", "Jpeg", "Mpo", "Png", "Tiff", "WebP"):  # loaded before the child is confined
    import_module(f"PIL.{plugin}ImagePlugin")

Decode = Callable[[bytes, Format, int], Decoded]


def decode_still_or_16_bit(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    read = sixteen_bit.read if sixteen_bit.is_sixteen_bit(data, file_format) else still.read
    return read(data, file_format, most_pixels)


def decode_still_or_animation(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    opened = still.open_image(data, file_format, most_pixels)
    if animation.is_animated(opened):
        return animation.read(opened, data, file_format, most_pixels)
    return still.read_opened(opened, data, file_format)


DECODERS: Mapping[Format, Decode] = formats.require_entries(
    READABLE,
    {
        "JPEG": still.read,
        "PNG": decode_still_or_16_bit,
        "WEBP": decode_still_or_animation,
        "BMP": still.read,
        "TIFF": decode_still_or_16_bit,
        "GIF": decode_still_or_animation,
        "AVIF": avif.read,
        "HEIF": heif.read,
    },
    "decoder",
)


def decode(data: bytes, most_pixels: int) -> Decoded:
    """Decode a file of the format that its signature names. Raise `UnidentifiedImageError` for an unknown
    one.
    """
    file_format = formats.identify(data)
    if file_format is None:
        raise UnidentifiedImageError("the file has no known signature")
    return DECODERS[file_format](data, file_format, most_pixels)
