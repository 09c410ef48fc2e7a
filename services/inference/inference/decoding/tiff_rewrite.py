"""Rewrites TIFFs that are laid out in a way that a library cannot read, in the decoding child.

For libvips these are LZMA, without which its libtiff was built, and tiles of separate planes.
"""

import lzma
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from imagefile.tiff import (
    BITS,
    COLOUR_MAP,
    COMPRESSION,
    EXTRA_SAMPLES,
    FILL_ORDER,
    HEIGHT,
    ICC_PROFILE,
    INK_SET,
    LONG,
    ORIENTATION,
    PHOTOMETRIC,
    PLANES,
    PREDICTOR,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    SEPARATE_PLANES,
    STRIP_LENGTHS,
    STRIP_OFFSETS,
    TILE_HEIGHT,
    TILE_LENGTHS,
    TILE_OFFSETS,
    TILE_WIDTH,
    WIDTH,
    YCBCR_SUBSAMPLING,
    Data,
    Tags,
)

JPEG_TABLES, CCITT_OPTIONS = 347, (292, 293)
YCBCR_TAGS = (529, YCBCR_SUBSAMPLING, 531, 532)
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
    COLOUR_MAP,
    FILL_ORDER,
    SAMPLE_FORMAT,
    JPEG_TABLES,
    *CCITT_OPTIONS,
    *YCBCR_TAGS,
)
UNCOMPRESSED, DEFLATE, LZMA, GREY, ONE_PLANE = 1, 8, 34925, 1, 1
LZMA_BYTES = 128 << 20
"""Memory for the dictionary, which takes 64 MiB at the highest of the usual levels."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Values that are no integers, in the byte order of their file."""

    kind: int
    count: int
    content: bytes


Values = tuple[int, ...] | Verbatim


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


def rewrite(
    data: Data,
    tags: Tags,
    changes: dict[int, tuple[int, ...]],
    recode: Callable[[Data], bytes] | None = None,
    *,
    without: tuple[int, ...] = (),
) -> bytearray:
    """Return a classic TIFF of the same pieces, with some tags changed or left out.

    `recode`, if given, is applied to each piece. Fewer samples leave out the last planes.
    """
    copied = _copied_tags(tags)
    for tag in without:
        copied.pop(tag, None)
    copied.update(changes)
    has_planes = copied.get(PLANES) == (SEPARATE_PLANES,)
    samples = changes.get(SAMPLES, (tags.number(SAMPLES, 1),))[0] if has_planes else 1
    pieces = _pieces(data, tags, _piece_count(tags) * samples)
    if recode:
        pieces = map(recode, pieces)
    return _write(_byte_order(data), copied, pieces)


def _byte_order(data: Data) -> bytes:
    return bytes(data[:2])


def _has_separate_planes(tags: Tags) -> bool:
    return tags.number(PLANES, ONE_PLANE) == SEPARATE_PLANES


def _copied_tags(tags: Tags) -> dict[int, Values]:
    return {tag: _values(tags, tag) for tag in COPIED if tag in tags}


def _values(tags: Tags, tag: int) -> Values:
    content = tags.content(tag)
    if not isinstance(content, bytes):
        return content
    entry = tags.entry(tag)
    return Verbatim(entry.kind, entry.count, content)


def _piece_bytes(tags: Tags) -> int:
    """Return the largest size of a tile or a strip, uncompressed."""
    is_tiled = TILE_OFFSETS in tags
    width = tags.number(TILE_WIDTH if is_tiled else WIDTH)
    height = tags.number(TILE_HEIGHT) if is_tiled else min(_rows_per_strip(tags), tags.number(HEIGHT))
    return width * height * 2 * (1 if _has_separate_planes(tags) else tags.number(SAMPLES, 1))


def _rows_per_strip(tags: Tags) -> int:
    return tags.number(ROWS_PER_STRIP, tags.number(HEIGHT))


def _piece_count(tags: Tags) -> int:
    """Return the number of strips or tiles in each plane."""
    is_tiled = TILE_OFFSETS in tags
    across = -(-tags.number(WIDTH) // tags.number(TILE_WIDTH)) if is_tiled else 1
    return across * -(
        -tags.number(HEIGHT) // (tags.number(TILE_HEIGHT) if is_tiled else _rows_per_strip(tags))
    )


def _pieces(data: Data, tags: Tags, count: int | None = None) -> Iterator[Data]:
    """Yield the first `count` strips or tiles, or else as many as the picture has, even if the file lists
    more.

    Raise `ValueError` if it lists fewer.
    """
    is_tiled = TILE_OFFSETS in tags
    offsets, lengths = (tags.numbers(TILE_OFFSETS), tags.numbers(TILE_LENGTHS)) if is_tiled else tags.pieces()
    if count is None:
        count = _piece_count(tags) * (tags.number(SAMPLES, 1) if _has_separate_planes(tags) else 1)
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
        if isinstance(value, Verbatim):
            kind, count, packed = value.kind, value.count, value.content
        else:
            kind, count, packed = LONG, len(value), struct.pack(f"{order}{len(value)}I", *value)
        entries += struct.pack(f"{order}HHI", tag, kind, count)
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", values_offset + len(values))
            values += packed
    struct.pack_into(f"{order}I", out, 4, len(out))
    for part in (entries, bytes(4), values):
        out += part
    return out
