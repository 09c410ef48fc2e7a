"""Rewrites the metadata of a BigTIFF as those of a TIFF, because Pillow does not read them there.

Pixels and the tags that say where they are do not come along.
"""

import struct
from collections.abc import Collection

from imagefile import tiff
from imagefile.parser_bombs import ParserBomb
from imagefile.tiff import DIRECTORY, LONG, LONG8, ORIENTATION, TYPE_BYTES, Entry, NumberFormat

EXIF, GPS = 0x8769, 0x8825
DESCRIPTIVE = (270, 271, 272, ORIENTATION, 282, 283, 296, 305, 306, 315, 316, 33432)
"""Tags of the first directory that describe the picture: texts, orientation and resolution."""
MOST_BYTES = 1 << 20
"""Bytes of one value. A maker's note is the longest."""
MOST_TAGS = 1_000
NO_TAGS = bytes(6)
"""An empty directory."""
PRIVATE = 65_000
"""The number of a tag that means nothing."""


def to_classic(data: bytes) -> bytes:
    """Return a TIFF of the metadata. A file that is no BigTIFF is returned as it is.

    Damaged metadata become none.
    """
    number_format = tiff.read_number_format(data)
    if not number_format.is_big:
        return data
    header = struct.pack(f"{number_format.order}2sHI", data[:2], 42, 8)
    try:
        first = tiff.first_directory(data)
        return header + _directory(data, first, number_format, len(header), DESCRIPTIVE)
    except (struct.error, OverflowError, ParserBomb):
        return header + NO_TAGS


def without_directories(data: bytes) -> bytes:
    """Return the file without the tags that lead to EXIF data.

    Pillow reads these with the pixels, and refuses the file if one leads nowhere.
    """
    leading = [entry for entry in tiff.entries(data) if entry.tag in (EXIF, GPS)]
    if not leading:
        return data  # a copy for each of many pages would take much longer than to decode them
    result, number_format = bytearray(data), tiff.read_number_format(data)
    for entry in leading:
        struct.pack_into(f"{number_format.order}H", result, entry.position, PRIVATE)
    return bytes(result)


def _directory(
    data: bytes, offset: int, number_format: NumberFormat, place: int, wanted: Collection[int] = ()
) -> bytes:
    """Return the directory at `offset`, to be written at `place`. Nothing is wanted of those below."""
    order, found = number_format.order, dict[int, Entry]()
    for entry in tiff.entries_at(data, offset, number_format):
        is_kept = not wanted or entry.tag in (*wanted, EXIF, GPS)
        is_kept &= bool(wanted) or entry.tag not in (EXIF, GPS)
        if is_kept and _has_value(data, entry) and len(found) < MOST_TAGS:
            found.setdefault(entry.tag, entry)
    entries, behind = struct.pack(f"{order}H", len(found)), b""
    start = place + 2 + 12 * len(found) + 4
    for tag, entry in sorted(found.items()):
        kind, value = entry.kind, _value(data, entry)
        if tag in (EXIF, GPS):
            [below] = struct.unpack_from(f"{order}{tiff.INTEGERS[kind]}", value)
            kind, value = LONG, struct.pack(f"{order}I", start + len(behind))
            try:
                behind += _directory(data, below, number_format, start + len(behind))
            except (struct.error, OverflowError, ParserBomb):
                behind += NO_TAGS
        elif kind == LONG8:
            numbers = struct.unpack(f"{order}{entry.count}Q", value)
            kind = LONG
            value = b"".join(struct.pack(f"{order}I", min(each, 0xFFFFFFFF)) for each in numbers)
        entries += struct.pack(f"{order}HHI", tag, kind, entry.count)
        if len(value) > 4:
            entries += struct.pack(f"{order}I", start + len(behind))
            behind += value + bytes(len(value) % 2)
        else:
            entries += value.ljust(4, b"\0")
    return entries + bytes(4) + behind


def _has_value(data: bytes, entry: Entry) -> bool:
    size = entry.count * TYPE_BYTES.get(entry.kind, 0)
    is_number = entry.tag not in (EXIF, GPS) or (entry.kind in (LONG, LONG8, DIRECTORY) and entry.count == 1)
    return is_number and 0 < size <= MOST_BYTES and entry.value + size <= len(data)


def _value(data: bytes, entry: Entry) -> bytes:
    return bytes(data[entry.value : entry.value + entry.count * TYPE_BYTES[entry.kind]])
