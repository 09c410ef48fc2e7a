"""The boxes of a HEIF or AVIF file (ISO/IEC 14496-12, 23008-12) up to its items and their properties.

Pixels are not touched. All lists are bounded, so reading ends within a fraction of a second for any file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from imagefile import exif
from imagefile.parser_bombs import ParserBomb, limited

MOST_BOXES = 10_000
"""Boxes of one list."""
MOST_ITEMS = 4_000
"""A telephone's picture of 48 megapixels has 200 to 300, one for each tile."""
MOST_LINKS = 40_000
"""Properties of all items together, and likewise extents and references."""
EXIF_OFFSET_BYTES = 4
"""An item of EXIF data begins with the offset of its TIFF structure."""
IN_FILE, IN_IDAT = 0, 1
"""Construction methods: where the bytes of an item are."""


class Box(NamedTuple):
    kind: bytes
    start: int
    """Offset of the body."""
    end: int


@dataclass(slots=True)
class Item:
    kind: bytes = b""
    """The type of the item, such as `hvc1`, `av01` or `grid`."""
    extents: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Offset in the file, and length, of each piece."""
    properties: list[Box] = field(default_factory=list[Box])


@dataclass(slots=True)
class Items:
    """The content of the box `meta`."""

    primary: int = 0
    items: dict[int, Item] = field(default_factory=dict[int, Item])
    references: dict[tuple[bytes, int], list[int]] = field(default_factory=dict[tuple[bytes, int], list[int]])
    """Targets by kind and source: `dimg` leads from a grid to its tiles, `auxl` from alpha to its picture."""

    def targets(self, kind: bytes, source: int) -> list[int]:
        return self.references.get((kind, source), [])

    def sources(self, kind: bytes, target: int) -> list[int]:
        return [start for (each, start), ends in self.references.items() if each == kind and target in ends]


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes of a list, up to one that reaches beyond it. Raise `ParserBomb` for too many."""
    end = len(data) if end is None else end
    for _ in limited(MOST_BOXES, "boxes"):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            size, body = struct.unpack_from(">Q", data, body)[0], start + 16
        stop = start + size if size else end
        if not body <= stop <= end:
            return
        yield Box(kind, body, stop)
        start = stop


def walk(data: bytes) -> None:
    """Raise `ParserBomb` for a file of too many boxes, items, properties or references, or for EXIF data with
    too much in it.
    """
    try:
        found = read_items(data)
    except ParserBomb:
        raise
    except (ValueError, struct.error, IndexError):
        return  # a damaged file is refused when its header is read
    entries = exif.count_entries()
    for item in found.items.values():
        if item.kind == b"Exif" and item.extents:
            start, length = item.extents[0]
            exif.walk(data[start + EXIF_OFFSET_BYTES : start + length], entries)


def find(data: bytes, kind: bytes, start: int = 0, end: int | None = None) -> Box | None:
    return next((box for box in boxes(data, start, end) if box.kind == kind), None)


def read_items(data: bytes) -> Items:
    """Return the items of the file. Raise `ValueError` or `struct.error` if it is damaged or has none."""
    meta = find(data, b"meta")
    if meta is None:
        raise ValueError("the file has no complete box `meta`")
    found, idat, parts = Items(), None, dict[bytes, Box]()
    for box in boxes(data, meta.start + 4, meta.end):
        parts.setdefault(box.kind, box)
    idat = parts.get(b"idat")
    found.primary = _numbers(data, parts[b"pitm"]).primary() if b"pitm" in parts else 0
    if b"iinf" in parts:
        _read_kinds(data, parts[b"iinf"], found)
    if b"iloc" in parts:
        _read_extents(data, parts[b"iloc"], found, idat)
    if b"iprp" in parts:
        _read_properties(data, parts[b"iprp"], found)
    if b"iref" in parts:
        _read_references(data, parts[b"iref"], found)
    return found


class Cursor:
    """Reads the numbers of a full box, whose body begins with a version and flags."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data, self._end = data, box.end
        self.version, self.flags = data[box.start], int.from_bytes(data[box.start + 1 : box.start + 4], "big")
        self.position = box.start + 4

    def take(self, size: int) -> int:
        """Return the next number of `size` bytes; 0 for no bytes. Raise `ValueError` beyond the box."""
        start, self.position = self.position, self.position + size
        if self.position > self._end:
            raise ValueError("a box is shorter than its content")
        return int.from_bytes(self._data[start : self.position], "big")

    def primary(self) -> int:
        return self.take(4 if self.version else 2)


def _numbers(data: bytes, box: Box) -> Cursor:
    if box.end - box.start < 4:
        raise ValueError("a box has no version")
    return Cursor(data, box)


def _read_kinds(data: bytes, box: Box, found: Items) -> None:
    cursor = _numbers(data, box)
    cursor.take(4 if cursor.version else 2)
    for entry in boxes(data, cursor.position, box.end):
        infe = _numbers(data, entry)
        if entry.kind != b"infe" or infe.version < 2:
            continue
        item_id = infe.take(2 if infe.version == 2 else 4)
        infe.take(2)
        found.items[item_id] = Item(infe.take(4).to_bytes(4, "big"))
        if len(found.items) > MOST_ITEMS:
            raise ParserBomb(f"more than {MOST_ITEMS} items")


def _read_extents(data: bytes, box: Box, found: Items, idat: Box | None) -> None:
    cursor = _numbers(data, box)
    sizes, more = cursor.take(1), cursor.take(1)
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if cursor.version else 0
    extents = 0
    for _ in range(cursor.take(4 if cursor.version == 2 else 2)):
        item = found.items.get(cursor.take(4 if cursor.version == 2 else 2), Item())
        method = cursor.take(2) & 15 if cursor.version else IN_FILE
        cursor.take(2)
        base = cursor.take(base_size)
        for _ in range(cursor.take(2)):
            extents += 1
            if extents > MOST_LINKS:
                raise ParserBomb(f"more than {MOST_LINKS} extents")
            cursor.take(index_size)
            start, length = base + cursor.take(offset_size), cursor.take(length_size)
            item.extents.append(_place(data, start, length, method, idat))


def _place(data: bytes, start: int, length: int, method: int, idat: Box | None) -> tuple[int, int]:
    """Return offset and length in the file. A length of 0 means all bytes that follow."""
    if method == IN_FILE:
        return start, length or max(1, len(data) - start)
    if method == IN_IDAT and idat and start + length <= idat.end - idat.start:
        return idat.start + start, length
    return len(data), 1  # made from other items, which no known writer does, or cut off


def _read_properties(data: bytes, box: Box, found: Items) -> None:
    ipco = find(data, b"ipco", box.start, box.end)
    properties = list(boxes(data, ipco.start, ipco.end)) if ipco else []
    links = 0
    for ipma in (each for each in boxes(data, box.start, box.end) if each.kind == b"ipma"):
        cursor = _numbers(data, ipma)
        for _ in range(cursor.take(4)):
            item = found.items.get(cursor.take(4 if cursor.version else 2), Item())
            for _ in range(cursor.take(1)):
                links += 1
                if links > MOST_LINKS:
                    raise ParserBomb(f"more than {MOST_LINKS} properties")
                index = cursor.take(2) & 0x7FFF if cursor.flags & 1 else cursor.take(1) & 0x7F
                if 0 < index <= len(properties):
                    item.properties.append(properties[index - 1])


def _read_references(data: bytes, box: Box, found: Items) -> None:
    size, links = 4 if _numbers(data, box).version else 2, 0
    for entry in boxes(data, box.start + 4, box.end):
        # these boxes have no version: the cursor begins where it would be
        cursor = Cursor(data, Box(entry.kind, entry.start - 4, entry.end))
        source, count = cursor.take(size), cursor.take(2)
        links += count
        if links > MOST_LINKS:
            raise ParserBomb(f"more than {MOST_LINKS} references")
        targets = found.references.setdefault((entry.kind, source), [])
        targets += [cursor.take(size) for _ in range(count)]
