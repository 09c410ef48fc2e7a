"""What Pillow says about a PNG without decoding its pixels: metadata, and whether its chunks can be read.

Both functions expect a file that `imagefile.png` has found complete.
"""

import io
from collections.abc import Iterable
from itertools import takewhile

from PIL import Image

from imagefile.png import END, FRAME, HEADER, PIXELS, SIGNATURE, Chunk, chunks

METADATA = (HEADER, b"eXIf", b"iTXt", b"tEXt", b"zTXt")
NO_PIXELS = b"\0\0\0\0IDAT\x35\xaf\x06\x1e"


def exif(data: bytes) -> Image.Exif:
    """Return the metadata, also if it stands behind the pixels.

    Pillow would decode the pixels to get there, so it is given only the chunks of metadata.
    """
    with _open_without_pixels(chunk for chunk in chunks(data) if chunk.kind in METADATA) as image:
        return Image.Image.getexif(image)


def can_be_parsed(data: bytes) -> bool:
    """Return whether no chunk around the pixels stops the decoder.

    Pillow parses all chunks behind the pixels up to the next frame, and raises whatever they lead it to.
    """
    found = list(chunks(data))
    before = list(takewhile(lambda chunk: chunk.kind != PIXELS, found))
    behind = [chunk for chunk in found[len(before) :] if chunk.kind not in (PIXELS, END)]
    is_animated = any(chunk.kind == b"acTL" for chunk in before)
    if is_animated:
        behind = list(takewhile(lambda chunk: chunk.kind != FRAME, behind))
    try:
        _open_without_pixels(before + behind).close()
    except Exception:  # noqa: BLE001  see above
        return False
    return True


def _open_without_pixels(parts: Iterable[Chunk]) -> Image.Image:
    file = b"".join([SIGNATURE, *(chunk.whole for chunk in parts), NO_PIXELS])
    return Image.open(io.BytesIO(file), formats=["PNG"])
