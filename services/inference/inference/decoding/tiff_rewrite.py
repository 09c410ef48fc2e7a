"""Rewrites TIFFs of 16 bits whose samples are stored in a way that libvips cannot read, in the decoding
child.

These are LZMA, without which its libtiff was built, and tiles of separate planes.
"""

import lzma
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator

from imagefile.tiff import (
    BITS,
    COMPRESSION,
    EXTRA_SAMPLES,
    HEIGHT,
    ICC_PROFILE,
    INK_SET,
    LONG,
    ORIENTATION,
    PHOTOMETRIC,
    PLANES,
    PREDICTOR,
    ROWS_PER_STRIP,
    SAMPLES,
    SEPARATE_PLANES,
    STRIP_LENGTHS,
    STRIP_OFFSETS,
    TILE_HEIGHT,
    TILE_LENGTHS,
    TILE_OFFSETS,
    TILE_WIDTH,
    UNDEFINED,
    WIDTH,
    Data,
    Tags,
)

Values = tuple[int, ...] | bytes
STRIPS, TILES = (STRIP_OFFSETS, STRIP_LENGTHS), (TILE_OFFSETS, TILE_LENGTHS)
SIZES = (WIDTH, HEIGHT, BITS, SAMPLES, ROWS_PER_STRIP, TILE_WIDTH, TILE_HEIGHT)
COPIED = (
    *SIZES,
    COMPRESSION,
    PHOTOMETRIC,
    ORIENTATION,
    PLANES,
    PREDICTOR,
    INK_SET,
    EXTRA_SAMPLES,
    ICC_PROFILE,
)
UNCOMPRESSED, DEFLATE, LZMA, GREY, ONE_PLANE = 1, 8, 34925, 1, 1
LZMA_BYTES = 128 << 20
"""Memory for the dictionary, which takes 64 MiB at the highest of the usual levels."""


def is_lzma(tags: Tags) -> bool:
    return tags.number(COMPRESSION, UNCOMPRESSED) == LZMA


def has_tiled_planes(tags: Tags) -> bool:
    return TILE_OFFSETS in tags and _has_separate_planes(tags) and tags.number(SAMPLES, 1) > 1


def recompress(data: Data, tags: Tags) -> bytearray:
    """Return the file, compressed by deflate instead of LZMA. libtiff undoes the predictor, if any."""
    size = _piece_bytes(tags)
    pieces = (
        zlib.compress(lzma.LZMADecompressor(lzma.FORMAT_XZ, LZMA_BYTES).decompress(piece, size), 0)
        for piece in _pieces(data, tags)
    )
    return _write(_byte_order(data), _copied_tags(tags) | {COMPRESSION: (DEFLATE,)}, pieces)


def extract_plane(data: Data, tags: Tags, index: int) -> bytearray:
    """Return one plane as the file of a grey picture."""
    copied = _copied_tags(tags) | {
        SAMPLES: (1,),
        BITS: (16,),
        PHOTOMETRIC: (GREY,),
        PLANES: (ONE_PLANE,),
    }
    for tag in (EXTRA_SAMPLES, ORIENTATION, INK_SET, ICC_PROFILE):
        copied.pop(tag, None)
    pieces = list(_pieces(data, tags))
    count = len(pieces) // tags.number(SAMPLES)
    return _write(_byte_order(data), copied, pieces[index * count : (index + 1) * count])


def join_planes(tags: Tags, rows: int, strips: Iterable[bytes]) -> bytearray:
    """Return a file of all planes. `strips` yields plane after plane, in this machine's byte order."""
    copied = _copied_tags(tags) | {COMPRESSION: (UNCOMPRESSED,), ROWS_PER_STRIP: (rows,)}
    for tag in (PREDICTOR, TILE_WIDTH, TILE_HEIGHT):
        copied.pop(tag, None)
    return _write(b"II" if sys.byteorder == "little" else b"MM", copied, strips)


def _byte_order(data: Data) -> bytes:
    return bytes(data[:2])


def _has_separate_planes(tags: Tags) -> bool:
    return tags.number(PLANES, ONE_PLANE) == SEPARATE_PLANES


def _copied_tags(tags: Tags) -> dict[int, Values]:
    return {tag: tags.content(tag) for tag in COPIED if tag in tags}


def _piece_bytes(tags: Tags) -> int:
    """Return the largest size of a tile or a strip, uncompressed."""
    is_tiled = TILE_OFFSETS in tags
    width = tags.number(TILE_WIDTH if is_tiled else WIDTH)
    height = tags.number(TILE_HEIGHT) if is_tiled else min(_rows_per_strip(tags), tags.number(HEIGHT))
    return width * height * 2 * (1 if _has_separate_planes(tags) else tags.number(SAMPLES, 1))


def _rows_per_strip(tags: Tags) -> int:
    return tags.number(ROWS_PER_STRIP, tags.number(HEIGHT))


def _pieces(data: Data, tags: Tags) -> Iterator[Data]:
    """Yield as many strips or tiles as the picture has, even if the file lists more.

    Raise `ValueError` if it lists fewer.
    """
    is_tiled = TILE_OFFSETS in tags
    offsets, lengths = (tags.numbers(tag) for tag in (TILES if is_tiled else STRIPS))
    across = -(-tags.number(WIDTH) // tags.number(TILE_WIDTH)) if is_tiled else 1
    down = -(-tags.number(HEIGHT) // (tags.number(TILE_HEIGHT) if is_tiled else _rows_per_strip(tags)))
    count = across * down * (tags.number(SAMPLES, 1) if _has_separate_planes(tags) else 1)
    if len(offsets) < count or len(lengths) < count:
        raise ValueError(f"the file lists {min(len(offsets), len(lengths))} of {count} strips or tiles")
    for start, length in zip(offsets[:count], lengths[:count], strict=True):
        yield data[start : start + length]


def _write(byte_order: bytes, tags: dict[int, Values], pieces: Iterable[Data]) -> bytearray:
    """Return a file. Each piece is copied once.

    All numbers are written as LONG, which libtiff accepts in place of shorter types.
    """
    order = "<" if byte_order == b"II" else ">"
    out, places = bytearray(byte_order + struct.pack(f"{order}HI", 42, 0)), list[tuple[int, int]]()
    for piece in pieces:
        places.append((len(out), len(piece)))
        out += piece
    tags |= zip(TILES if TILE_WIDTH in tags else STRIPS, zip(*places, strict=True), strict=True)
    values, entries = bytearray(), bytearray(struct.pack(f"{order}H", len(tags)))
    values_offset = len(out) + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        is_bytes = isinstance(value, bytes)
        packed = value if is_bytes else struct.pack(f"{order}{len(value)}I", *value)
        entries += struct.pack(f"{order}HHI", tag, UNDEFINED if is_bytes else LONG, len(value))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", values_offset + len(values))
            values += packed
    struct.pack_into(f"{order}I", out, 4, len(out))
    for part in (entries, bytes(4), values):
        out += part
    return out
