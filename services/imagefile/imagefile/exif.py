"""The directories of EXIF data (CIPA DC-008), which is a TIFF structure without pixels.

Pillow copies each value as often as an entry names it. Entries that share long values would keep it busy.
"""

import struct
from collections.abc import Iterator

from imagefile.parser_bombs import ParserBomb, limited
from imagefile.tiff import TYPE_BYTES, NumberFormat, read_number_format

NAME = b"Exif\0\0"
"""The bytes ahead of EXIF data in a JPEG, and in some other files."""
POINTERS = (0x8769, 0x8825, 0xA005, 0x014A)
"""Tags whose values are offsets of further directories."""
MOST_DIRECTORIES = 50
MOST_ENTRIES = 10_000
"""The most entries of all directories together. Cameras write up to a few hundred."""
SHARED_BYTES = 1 << 20
"""Values may be longer than the data by this much, because some writers let entries share values."""


def count_entries() -> Iterator[int]:
    """Return the count for all EXIF data of one file, which may have several."""
    return iter(limited(MOST_ENTRIES, "EXIF entries"))


def walk(data: bytes, entries: Iterator[int]) -> None:
    """Raise `ParserBomb` for too many entries, or if their values are far longer together than the data.

    Damaged data is not refused: it ends where it is damaged, as for Pillow.
    """
    data = data.removeprefix(NAME)
    if len(data) < 8 or data[:2] not in (b"II", b"MM"):
        return
    number_format, left = read_number_format(data), len(data) + SHARED_BYTES
    directories, seen = [_number(data, number_format.first_pointer, number_format)], {0}
    while new := [offset for offset in directories if offset not in seen]:
        directories = new[1:]
        seen.add(new[0])
        for tag, size, value in _values(data, new[0], number_format, entries):
            if tag in POINTERS and len(seen) + len(directories) < MOST_DIRECTORIES:
                directories.append(_number(data, value, number_format))
            if size > number_format.room:
                start = _number(data, value, number_format)
                left -= max(0, min(size, len(data) - start))
            if left < 0:
                raise ParserBomb("EXIF values that are longer together than its EXIF data")


def _values(
    data: bytes, directory: int, number_format: NumberFormat, entries: Iterator[int]
) -> Iterator[tuple[int, int, int]]:
    """Yield the tag of each entry, the bytes of its values, and the offset of its last field."""
    start = directory + struct.calcsize(number_format.count)
    if start > len(data):
        return
    [count] = struct.unpack_from(number_format.count, data, directory)
    for index in range(count):
        next(entries)
        position = start + index * number_format.entry_bytes
        if position + number_format.entry_bytes > len(data):
            return
        tag, kind, values = number_format.entry.unpack_from(data, position)
        yield tag, values * TYPE_BYTES.get(kind, 0), position + number_format.entry.size


def _number(data: bytes, position: int, number_format: NumberFormat) -> int:
    """Return the offset that is written at a position; 0 beyond the end of the data."""
    if position + number_format.room > len(data):
        return 0
    return struct.unpack_from(number_format.offset, data, position)[0]
