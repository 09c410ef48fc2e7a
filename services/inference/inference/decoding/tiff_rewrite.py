"""TIFFs of 16 bits written anew in the decoding child, where libvips knows the samples but not how they lie:
compressed by LZMA, which its libtiff was built without, or in tiles of planes of their own.
"""

import lzma
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator

from PIL import TiffImagePlugin

Tags = TiffImagePlugin.ImageFileDirectory_v2
Data = bytes | bytearray
Values = tuple[int, ...] | bytes
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, ROWS, PLANES = 256, 257, 258, 259, 262, 277, 278, 284
ORIENTATION, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, INKS, EXTRA_SAMPLES, PROFILE = (
    274,
    317,
    322,
    323,
    332,
    338,
    34675,
)
STRIPS, TILES = (273, 279), (324, 325)
"""Where they are, and how long."""
SIZES = (WIDTH, HEIGHT, BITS, SAMPLES, ROWS, TILE_WIDTH, TILE_HEIGHT)
TOLD = (*SIZES, COMPRESSION, PHOTOMETRIC, ORIENTATION, PLANES, PREDICTOR, INKS, EXTRA_SAMPLES, PROFILE)
PLAIN, DEFLATE, LZMA, GREY, APART = 1, 8, 34925, 1, 2
LONG, UNDEFINED = 4, 7
LZMA_BYTES = 128 << 20
"""Of memory for its dictionary, which has 64 MiB at the highest of its usual levels."""


def is_lzma(tags: Tags) -> bool:
    return tags.get(COMPRESSION) == LZMA


def has_tiled_planes(tags: Tags) -> bool:
    return TILES[0] in tags and tags.get(PLANES) == APART and tags.get(SAMPLES, 1) > 1


def deflated(data: Data, tags: Tags) -> bytearray:
    """Instead of by LZMA; the predictor, if there is one, stays for libtiff to undo."""
    size = _piece_bytes(tags)
    pieces = (
        zlib.compress(lzma.LZMADecompressor(lzma.FORMAT_XZ, LZMA_BYTES).decompress(piece, size), 0)
        for piece in _pieces(data, tags)
    )
    return _written(_prefix(data), _told(tags) | {COMPRESSION: (DEFLATE,)}, pieces)


def plane(data: Data, tags: Tags, index: int) -> bytearray:
    """One of them, as a grey picture."""
    told = _told(tags) | {SAMPLES: (1,), BITS: (16,), PHOTOMETRIC: (GREY,), PLANES: (1,)}
    for tag in (EXTRA_SAMPLES, ORIENTATION, INKS, PROFILE):
        told.pop(tag, None)
    pieces = list(_pieces(data, tags))
    count = len(pieces) // tags[SAMPLES]
    return _written(_prefix(data), told, pieces[index * count : (index + 1) * count])


def in_strips(tags: Tags, rows: int, strips: Iterable[bytes]) -> bytearray:
    """From the strips of all planes, one plane after the other, in this machine's order of bytes."""
    told = _told(tags) | {COMPRESSION: (PLAIN,), ROWS: (rows,)}
    for tag in (PREDICTOR, TILE_WIDTH, TILE_HEIGHT):
        told.pop(tag, None)
    return _written(b"II" if sys.byteorder == "little" else b"MM", told, strips)


def _prefix(data: Data) -> bytes:
    return bytes(data[:2])


def _told(tags: Tags) -> dict[int, Values]:
    found = {tag: tags[tag] for tag in TOLD if tag in tags}
    return {tag: value if isinstance(value, (tuple, bytes)) else (value,) for tag, value in found.items()}


def _piece_bytes(tags: Tags) -> int:
    """At most of a tile or a strip."""
    is_tiled = TILES[0] in tags
    width = tags[TILE_WIDTH] if is_tiled else tags[WIDTH]
    height = tags[TILE_HEIGHT] if is_tiled else min(tags.get(ROWS, tags[HEIGHT]), tags[HEIGHT])
    return width * height * 2 * (1 if tags.get(PLANES) == APART else tags.get(SAMPLES, 1))


def _pieces(data: Data, tags: Tags) -> Iterator[Data]:
    """As many as the picture has, whatever the file lists."""
    is_tiled = TILES[0] in tags
    offsets, lengths = (tags[tag] for tag in (TILES if is_tiled else STRIPS))
    across = -(-tags[WIDTH] // tags[TILE_WIDTH]) if is_tiled else 1
    down = -(-tags[HEIGHT] // (tags[TILE_HEIGHT] if is_tiled else tags.get(ROWS, tags[HEIGHT])))
    count = across * down * (tags.get(SAMPLES, 1) if tags.get(PLANES) == APART else 1)
    if len(offsets) < count or len(lengths) < count:
        raise ValueError(f"{min(len(offsets), len(lengths))} of {count} pieces")
    for start, length in zip(offsets[:count], lengths[:count], strict=True):
        yield data[start : start + length]


def _written(prefix: bytes, told: dict[int, Values], pieces: Iterable[Data]) -> bytearray:
    """All numbers as LONG, which libtiff takes for shorter ones too. Nothing is copied once it is there."""
    order = "<" if prefix == b"II" else ">"
    out, places = bytearray(prefix + struct.pack(f"{order}HI", 42, 0)), list[tuple[int, int]]()
    for piece in pieces:
        places.append((len(out), len(piece)))
        out += piece
    where = TILES if TILE_WIDTH in told else STRIPS
    told |= zip(where, zip(*places, strict=True), strict=True)
    values, entries = bytearray(), bytearray(struct.pack(f"{order}H", len(told)))
    behind = len(out) + 2 + 12 * len(told) + 4
    for tag, value in sorted(told.items()):
        is_bytes = isinstance(value, bytes)
        packed = value if is_bytes else struct.pack(f"{order}{len(value)}I", *value)
        entries += struct.pack(f"{order}HHI", tag, UNDEFINED if is_bytes else LONG, len(value))
        entries += (
            packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(f"{order}I", behind + len(values))
        )
        values += packed if len(packed) > 4 else b""
    struct.pack_into(f"{order}I", out, 4, len(out))
    for part in (entries, bytes(4), values):
        out += part
    return out
