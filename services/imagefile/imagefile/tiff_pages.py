"""Finds the picture in a TIFF of several: thumbnails and masks may stand before it (TIFF 6.0, section 8).

The first picture of full resolution counts. If no directory of the chain has one, those below it
(SubIFDs, TIFF supplement 1) are searched. If there is none either, the first directory counts.
"""

import struct
from collections.abc import Iterator

from imagefile.parser_bombs import ParserBomb
from imagefile.tiff import (
    HEIGHT,
    INTEGERS,
    MOST_VALUES,
    PHOTOMETRIC,
    STRIP_OFFSETS,
    TILE_OFFSETS,
    WIDTH,
    Data,
    Entry,
    NumberFormat,
    entries_at,
    first_directory,
    read_number_format,
)

SUBFILE, OLD_SUBFILE, SUB_DIRECTORIES = 254, 255, 330
REDUCED, MASK = 1, 4
"""Bits of the tag SUBFILE."""
OLD_REDUCED, MASK_PHOTOMETRIC = 2, 4
MOST_DIRECTORIES = 1_000
NEEDED = {WIDTH, HEIGHT}


def select_picture(data: bytes) -> bytes:
    """Return the file with its picture in the first directory. Nothing else is moved or changed."""
    number_format = read_number_format(data)
    try:
        first = first_directory(data)
        chosen = _picture_directory(data, first, number_format)
    except (struct.error, OverflowError, ParserBomb):
        return data
    if chosen == first:
        return data
    pointer = struct.pack(number_format.offset, chosen)
    start = number_format.first_pointer
    return data[:start] + pointer + data[start + len(pointer) :]


def _picture_directory(data: Data, first: int, number_format: NumberFormat) -> int:
    below: list[int] = []
    for offset, entries in _directories(data, _chain(data, first, number_format), number_format):
        if _is_picture(data, entries, number_format):
            return offset
        below += _numbers(data, entries.get(SUB_DIRECTORIES), number_format)
    for offset, entries in _directories(data, iter(below), number_format):
        if _is_picture(data, entries, number_format):
            return offset
    return first


def _chain(data: Data, first: int, number_format: NumberFormat) -> Iterator[int]:
    """Yield the offsets of all directories. A chain that leads back to itself ends."""
    offset, seen = first, set[int]()
    size = struct.calcsize(number_format.count)
    while offset and offset not in seen and len(seen) < MOST_DIRECTORIES:
        yield offset
        seen.add(offset)
        [count] = struct.unpack_from(number_format.count, data, offset)
        end = offset + size + count * number_format.entry_bytes
        if end + number_format.room > len(data):
            return
        [offset] = struct.unpack_from(number_format.offset, data, end)


def _directories(
    data: Data, offsets: Iterator[int], number_format: NumberFormat
) -> Iterator[tuple[int, dict[int, Entry]]]:
    """Yield the directories at these offsets, until they have `MOST_VALUES` entries together."""
    seen = 0
    for offset in offsets:
        if offset >= len(data):
            continue
        entries: dict[int, Entry] = {}
        for entry in entries_at(data, offset, number_format):
            entries.setdefault(entry.tag, entry)
            seen += 1
        yield offset, entries
        if seen > MOST_VALUES:
            return


def _is_picture(data: Data, entries: dict[int, Entry], number_format: NumberFormat) -> bool:
    if not entries.keys() >= NEEDED or not entries.keys() & {STRIP_OFFSETS, TILE_OFFSETS}:
        return False
    kind, old_kind, photometric = (
        next(iter(_numbers(data, entries.get(tag), number_format)), 0)
        for tag in (SUBFILE, OLD_SUBFILE, PHOTOMETRIC)
    )
    return not kind & (REDUCED | MASK) and old_kind != OLD_REDUCED and photometric != MASK_PHOTOMETRIC


def _numbers(data: Data, entry: Entry | None, number_format: NumberFormat) -> tuple[int, ...]:
    """Return the first values of an entry, or none if they are no integers or lie beyond the file."""
    if entry is None or entry.kind not in INTEGERS:
        return ()
    code = f"{number_format.order}{min(entry.count, MOST_DIRECTORIES)}{INTEGERS[entry.kind]}"
    if entry.value + struct.calcsize(code) > len(data):
        return ()
    return struct.unpack_from(code, data, entry.value)
