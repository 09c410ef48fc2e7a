"""Reads a PNG's metadata with Pillow, but without decoding its pixels."""

import io
from collections.abc import Iterable

from PIL import Image

from imagefile.png import HEADER, SIGNATURE, Chunk, chunks

METADATA = (HEADER, b"eXIf", b"iTXt", b"tEXt", b"zTXt")
NO_PIXELS = b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
"""An empty chunk of pixels, at which Pillow stops to read metadata."""


def exif(data: bytes) -> Image.Exif:
    """Return the EXIF metadata, also if it follows the pixels.

    Pillow would decode the pixels to reach it, so Pillow gets only the chunks of metadata.
    """
    with _open_without_pixels(chunk for chunk in chunks(data) if chunk.kind in METADATA) as image:
        return Image.Image.getexif(image)


def _open_without_pixels(parts: Iterable[Chunk]) -> Image.Image:
    file = b"".join([SIGNATURE, *(chunk.whole for chunk in parts), NO_PIXELS])
    return Image.open(io.BytesIO(file), formats=["PNG"])
