"""Finds the pages in a TIFF of several pictures: thumbnails and masks are none (TIFF 6.0, section 8).

Every picture of full resolution in the chain of directories is a page. If the chain has none, those below it
(SubIFDs, TIFF supplement 1) are searched for one. If there is none either, the first directory counts.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from imagefile import gif, tiff_kinds
from imagefile.parser_bombs import ParserBomb, limited
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
    Tags,
    entries_at,
    first_directory,
    has_all_pieces,
    read_number_format,
)

SUBFILE, OLD_SUBFILE, SUB_DIRECTORIES = 254, 255, 330
REDUCED, MASK = 1, 4
"""Bits of the tag SUBFILE."""
OLD_REDUCED, MASK_PHOTOMETRIC = 2, 4
MOST_DIRECTORIES = 4_000
MOST_PAGES = gif.MOST_FRAMES
MOST_PIECES = 4 * MOST_VALUES
"""Strips and tiles of all pages together."""
MOST_READ = 2
"""How many times the bytes of the file all pages together may have. More of them share their pixels."""
NEEDED = {WIDTH, HEIGHT}
DAMAGED = (struct.error, OverflowError, ValueError, KeyError)
"""Errors of a directory that is damaged, or of a parser bomb."""


class Page(NamedTuple):
    directory: int
    """The offset of its directory."""
    width: int
    """Pixels, after the orientation is applied."""
    height: int


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages that can be read, as far as the directories show it."""

    readable: tuple[Page, ...]
    """The first is the picture that counts if only one does."""
    left_out: int = 0
    """How many others are damaged, or of a kind that is not supported."""
    are_all: bool = True
    """False if more pages follow, or may follow: too many, or beyond damaged directories."""


def select_picture(data: bytes) -> bytes:
    """Return the file with its first page in the first directory. Nothing else is moved or changed."""
    try:
        chosen = _picture_directory(data, first_directory(data), read_number_format(data))
    except DAMAGED:
        return data
    return select_directory(data, chosen)


def select_directory(data: bytes, directory: int) -> bytes:
    """Return the file with the directory at this offset as its first."""
    number_format = read_number_format(data)
    if directory == first_directory(data):
        return data
    pointer = struct.pack(number_format.offset, directory)
    start = number_format.first_pointer
    return data[:start] + pointer + data[start + len(pointer) :]


def enlarged(page: tuple[int, int], first: tuple[int, int], result: tuple[int, int]) -> tuple[int, int]:
    """Return the size of a page if the first page becomes as large as `result`, rounded half up.

    All pages are enlarged by the same factors, one across and one down.
    """
    sides = zip(page, first, result, strict=True)
    width, height = (max(1, (2 * own * after + before) // (2 * before)) for own, before, after in sides)
    return width, height


def read_pages(data: bytes) -> Pages:
    """Return the pages of the file. Those that share too much of it count as more than there may be."""
    directories, are_all = _page_directories(data)
    readable, pieces, bytes_read = list[Page](), 0, 0
    for directory in directories:
        tags = Tags(data, directory)
        pieces += sum(tags.entry(tag).count for tag in (STRIP_OFFSETS, TILE_OFFSETS) if tag in tags)
        if pieces > MOST_PIECES or bytes_read > MOST_READ * len(data):
            return Pages(tuple(readable), are_all=False)
        if page := _read_page(tags, directory, len(data)):
            readable.append(page)
            bytes_read += sum(tags.pieces()[1])
    return Pages(tuple(readable), len(directories) - len(readable), are_all)


def _read_page(tags: Tags, directory: int, file_bytes: int) -> Page | None:
    """Return a page, or None if it is damaged or of a kind that is not supported."""
    try:
        size = tiff_kinds.upright_size(tags)
        is_readable = min(size) > 0 and has_all_pieces(tags, file_bytes)
        return Page(directory, *size) if is_readable and not tiff_kinds.unsupported_feature(tags) else None
    except DAMAGED:
        return None


def _page_directories(data: bytes) -> tuple[list[int], bool]:
    """Return the offsets of the pages' directories, and whether these are all."""
    found, number_format = list[int](), read_number_format(data)
    try:
        chain = _chain(data, first_directory(data), number_format)
        for offset, entries in _directories(data, chain, number_format):
            if _is_picture(data, entries, number_format):
                found.append(offset)
            if len(found) > MOST_PAGES:
                return found, False
        return found or [_picture_directory(data, first_directory(data), number_format)], True
    except DAMAGED:
        return found, False


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
    for _ in limited(MOST_DIRECTORIES, "directories"):
        if not offset or offset in seen:
            return
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
    """Yield the directories at these offsets. Raise `ParserBomb` if they have more than `MOST_VALUES` entries
    together.
    """
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
            raise ParserBomb(f"{seen} tags of all directories")


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
