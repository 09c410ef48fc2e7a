"""Reads a PNG's metadata, and checks its chunks, with Pillow but without decoding its pixels.

Both functions expect a file that `imagefile.png` has found complete.
"""

import io
from collections.abc import Iterable
from itertools import takewhile

from PIL import Image

from imagefile.png import END, FRAME, HEADER, PIXELS, SIGNATURE, Chunk, chunks

METADATA = (HEADER, b"eXIf", b"iTXt", b"tEXt", b"zTXt")
NO_PIXELS = b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
"""An empty chunk of pixels, at which Pillow stops to read metadata."""


def exif(data: bytes) -> Image.Exif:
    """Return the EXIF metadata, also if it follows the pixels.

    Pillow would decode the pixels to reach it, so Pillow gets only the chunks of metadata.
    """
    with _open_without_pixels(chunk for chunk in chunks(data) if chunk.kind in METADATA) as image:
        return Image.Image.getexif(image)


def can_be_parsed(data: bytes) -> bool:
    """Return whether the decoder can parse all chunks before and after the pixels.

    Pillow parses all chunks after the pixels up to the next frame. A damaged one can raise any exception.
    """
    found = list(chunks(data))
    before = list(takewhile(lambda chunk: chunk.kind != PIXELS, found))
    after = [chunk for chunk in found[len(before) :] if chunk.kind not in (PIXELS, END)]
    is_animated = any(chunk.kind == b"acTL" for chunk in before)
    if is_animated:
        after = list(takewhile(lambda chunk: chunk.kind != FRAME, after))
    try:
        _open_without_pixels(before + after).close()
    except Exception:  # noqa: BLE001  a damaged chunk can raise any exception
        return False
    return True


def _open_without_pixels(parts: Iterable[Chunk]) -> Image.Image:
    file = b"".join([SIGNATURE, *(chunk.whole for chunk in parts), NO_PIXELS])
    return Image.open(io.BytesIO(file), formats=["PNG"])
