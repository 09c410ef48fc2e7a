"""Makes a TIFF plain, in the decoding child: what a library would read wrong is stored in its usual way.

All changes keep every sample. A file that needs none is returned as it is.
"""

import struct
import zlib

from imagefile import tiff_kinds
from imagefile.tiff import (
    BITS,
    COLOUR_MAP,
    COMPRESSION,
    EXTRA_SAMPLES,
    FILL_ORDER,
    INTEGERS,
    PLANES,
    SAMPLE_FORMAT,
    SAMPLES,
    SEPARATE_PLANES,
    STRIP_LENGTHS,
    STRIP_OFFSETS,
    Tags,
    read_number_format,
)
from imagefile.tiff_kinds import BY_JPEG, DEFLATE, UNCOMPRESSED, UNDEFINED_FORMAT, UNSIGNED, YCBCR
from inference.decoding.tiff_rewrite import rewrite

LOW_BITS_FIRST, HIGH_BITS_FIRST = 2, 1
ONE_PLANE = 1
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in reversed order."""
EIGHT_BITS = 256
REFERENCES = (529, 532)
"""The tags of YCbCr's coefficients, and of its black and white, which Pillow ignores."""


def to_plain(data: bytes, tags: Tags) -> bytes:
    """Return a file that Pillow and libvips read right. All steps but the last change bytes in place."""
    if not _needs_changes(tags):
        return _restructure(data, tags)
    changed = bytearray(data)
    _put_high_bits_first(changed, tags)
    _widen_colours(changed, tags)
    _declare_unsigned(changed, tags)
    if tiff_kinds.samples(tags) == 1 and tags.number(PLANES, ONE_PLANE) == SEPARATE_PLANES:
        _put(changed, tags, PLANES, (ONE_PLANE,))
    plain = bytes(changed)
    return _restructure(plain, Tags(plain))


def _needs_changes(tags: Tags) -> bool:
    """Return whether bytes must be changed. Pages of large files are not copied without need."""
    return (
        tags.number(FILL_ORDER, HIGH_BITS_FIRST) == LOW_BITS_FIRST
        or COLOUR_MAP in tags
        or UNDEFINED_FORMAT in tags.numbers(SAMPLE_FORMAT)
        or tags.number(PLANES, ONE_PLANE) == SEPARATE_PLANES
    )


def _put_high_bits_first(data: bytearray, tags: Tags) -> None:
    if tags.number(FILL_ORDER, HIGH_BITS_FIRST) != LOW_BITS_FIRST:
        return
    if tags.number(COMPRESSION, UNCOMPRESSED) not in BY_JPEG:
        places = set(zip(*tags.pieces(), strict=False))
        if sum(length for _, length in places) > len(data):
            raise ValueError("the strips or tiles overlap")
        for start, length in places:
            data[start : start + length] = data[start : start + length].translate(REVERSED)
    _put(data, tags, FILL_ORDER, (HIGH_BITS_FIRST,))


def _widen_colours(data: bytearray, tags: Tags) -> None:
    """Spread colours of 8 bits over the 16 bits of a colour map.

    As in libtiff, a map holds colours of 8 bits if no value is 256 or more.
    """
    colours = tags.numbers(COLOUR_MAP)
    if colours and max(colours) < EIGHT_BITS:
        _put(data, tags, COLOUR_MAP, tuple(value * 257 for value in colours))


def _declare_unsigned(data: bytearray, tags: Tags) -> None:
    formats = tags.numbers(SAMPLE_FORMAT)
    if UNDEFINED_FORMAT in formats:
        _put(data, tags, SAMPLE_FORMAT, (UNSIGNED,) * len(formats))


def _put(data: bytearray, tags: Tags, tag: int, values: tuple[int, ...]) -> None:
    """Replace all values of a tag by as many others."""
    entry = tags.entry(tag)
    code = f"{read_number_format(data).order}{len(values)}{INTEGERS[entry.kind]}"
    struct.pack_into(code, data, entry.value, *values)


def _restructure(data: bytes, tags: Tags) -> bytes:
    """Write another file of the same pieces if it must be laid out differently."""
    number_format = read_number_format(data)
    is_raw_ycbcr = (
        tiff_kinds.photometric(tags) == YCBCR
        and tags.number(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
        and (tiff_kinds.subsampling(tags) != tiff_kinds.WHOLE or any(tag in tags for tag in REFERENCES))
    )
    if is_raw_ycbcr:  # Pillow leaves it to libtiff only if it is compressed
        return bytes(rewrite(data, tags, {COMPRESSION: (DEFLATE,)}, lambda piece: zlib.compress(piece, 0)))
    if tiff_kinds.are_extra_planes_left_out(tags):
        return bytes(rewrite(data, tags, _first_planes(tags), without=(EXTRA_SAMPLES, SAMPLE_FORMAT)))
    has_wrong_lengths = STRIP_OFFSETS in tags and tags.pieces()[1] != tags.numbers(STRIP_LENGTHS)
    if has_wrong_lengths or (number_format.is_big and number_format.order == ">"):
        return bytes(rewrite(data, tags, {}))
    return data


def _first_planes(tags: Tags) -> dict[int, tuple[int, ...]]:
    """Return the tags of a file of the colours only."""
    colours = tiff_kinds.COLOURS[tiff_kinds.photometric(tags)]
    planes = ONE_PLANE if colours == 1 else SEPARATE_PLANES
    return {SAMPLES: (colours,), BITS: (tiff_kinds.depth(tags),) * colours, PLANES: (planes,)}
