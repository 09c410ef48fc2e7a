"""Decides which chunks of a PNG file a decoder needs, and whether it can read them.

Compressed chunks are inflated only as far as the limit, so that bombs stay harmless.
"""

import zlib
from collections.abc import Callable, Mapping

MOST_INFLATED = 4 << 20
"""Bytes of one chunk, as many as a colour profile may have."""
MOST_INFLATED_TOGETHER = 16 << 20
XMP, RAW_EXIF = b"XML:com.adobe.xmp\0", (b"Raw profile type exif\0", b"Raw profile type APP1\0")
LARGEST_EXIF_BYTES = 1 << 20


class Budget:
    """The number of bytes that may still be inflated. A chunk whose body exceeds it counts as damaged."""

    def __init__(self) -> None:
        self._left = MOST_INFLATED_TOGETHER

    def allows(self, data: bytes) -> bool:
        """Return whether the data can be inflated within the limits."""
        inflater, most = zlib.decompressobj(), min(MOST_INFLATED, self._left)
        try:
            inflated = len(inflater.decompress(data, most + 1))
        except zlib.error:
            return False
        self._left -= min(inflated, most)
        return inflated <= MOST_INFLATED and inflater.eof


Check = Callable[[bytes, Budget], bool]
"""Returns whether a decoder needs a chunk with this body, and can read it."""


def _length(*allowed: int) -> Check:
    return lambda body, _: len(body) in allowed


def _is_palette(body: bytes, _: Budget) -> bool:
    return 3 <= len(body) <= 768


def _is_exif(body: bytes, _: Budget) -> bool:
    return 8 <= len(body) <= LARGEST_EXIF_BYTES


def _is_profile(body: bytes, budget: Budget) -> bool:
    name, _, rest = body[:81].partition(b"\0")
    return bool(name and rest) and budget.allows(body[len(name) + 2 :])


def _is_text(body: bytes, budget: Budget) -> bool:
    return body.startswith(RAW_EXIF) and len(body) <= MOST_INFLATED


def _is_compressed_text(body: bytes, budget: Budget) -> bool:
    return body.startswith(RAW_EXIF) and budget.allows(body[len(RAW_EXIF[0]) + 1 :])


def _is_xmp(body: bytes, budget: Budget) -> bool:
    fields = body[len(XMP) + 2 :].split(b"\0", 2)
    if not body.startswith(XMP) or len(fields) < 3:
        return False
    return budget.allows(fields[2]) if body[len(XMP)] else len(fields[2]) <= MOST_INFLATED


METADATA: Mapping[bytes, Check] = {
    b"eXIf": _is_exif,
    b"iTXt": _is_xmp,
    b"tEXt": _is_text,
    b"zTXt": _is_compressed_text,
}
"""Chunks that may hold the orientation. They may stand behind the pixels."""
DESCRIBING: Mapping[bytes, Check] = METADATA | {
    b"IHDR": _length(13),
    b"PLTE": _is_palette,
    b"iCCP": _is_profile,
    b"gAMA": _length(4),
    b"cHRM": _length(32),
    b"sRGB": _length(1),
    b"cICP": _length(4),
    b"pHYs": _length(9),
}


def describes(kind: bytes, body: memoryview, budget: Budget) -> bool:
    """Return whether a decoder needs the chunk ahead of the pixels, and can read it."""
    return kind in DESCRIBING and DESCRIBING[kind](bytes(body), budget)


def is_metadata(kind: bytes, body: memoryview, budget: Budget) -> bool:
    """Return whether a decoder needs the chunk behind the pixels, and can read it."""
    return kind in METADATA and METADATA[kind](bytes(body), budget)


def exif_of(kind: bytes, body: bytes, budget: Budget) -> bytes:
    """Return the EXIF data of a chunk of metadata, or no bytes if it has none, or is damaged."""
    if kind == b"eXIf":
        return body
    if kind == b"iTXt" or not METADATA[kind](body, budget):
        return b""
    text = body[len(RAW_EXIF[0]) :]
    text = zlib.decompressobj().decompress(text[1:], MOST_INFLATED) if kind == b"zTXt" else text
    try:
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))
    except ValueError:
        return b""
