"""The first directory of a TIFF file (TIFF 6.0, BigTIFF): its tags, read on demand.

Tags are read as Pillow reads them: the first of two equal tags counts, values longer than the file are
skipped, and a value that lies beyond the end of the file ends the directory.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from imagefile.parser_bombs import ParserBomb

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_LENGTHS, PLANES = 273, 274, 277, 278, 279, 284
FILL_ORDER, PREDICTOR, COLOUR_MAP = 266, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_LENGTHS = 322, 323, 324, 325
INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, ICC_PROFILE = 332, 338, 339, 34675
YCBCR_SUBSAMPLING = 530
BYTE, ASCII, SHORT, LONG, FRACTION, SIGNED_BYTE, UNDEFINED, SIGNED_SHORT, SIGNED_LONG = range(1, 10)
SIGNED_FRACTION, FLOAT, DOUBLE, DIRECTORY, LONG8 = 10, 11, 12, 13, 16
INTEGERS = {
    SHORT: "H", LONG: "I", SIGNED_BYTE: "b", SIGNED_SHORT: "h", SIGNED_LONG: "i", DIRECTORY: "I", LONG8: "Q"
}  # fmt: skip
"""Codes of `struct` for the types of integers."""
TEXTS = (BYTE, ASCII, UNDEFINED)
"""Types that are read as bytes."""
ONE_BYTE_TYPES = (*TEXTS, SIGNED_BYTE)
"""Types of which a tag may have any number of values."""
TYPE_BYTES = {
    **dict.fromkeys(ONE_BYTE_TYPES, 1),
    **{kind: struct.calcsize(f"<{code}") for kind, code in INTEGERS.items()},
    FRACTION: 8,
    SIGNED_FRACTION: 8,
    FLOAT: 4,
    DOUBLE: 8,
}
SEPARATE_PLANES, UNCOMPRESSED, OLD_JPEG, YCBCR = 2, 1, 6, 6
STRUCTURE = (WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANES, EXTRA_SAMPLES, SAMPLE_FORMAT)
"""Tags that say where the pixels are and how they are stored."""
MOST_VALUES = 65_536
"""Values of one tag, such as the offsets of strips, and tags of one directory."""
SHARED_BYTES = 1 << 20
"""Bytes of the file that several strips or tiles may use. Some writers store equal tiles once."""

Data = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Entry:
    tag: int
    kind: int
    """The type of the values, such as SHORT."""
    count: int
    position: int
    """Offset of the entry itself, in bytes."""
    value: int
    """Offset of the values."""
    is_elsewhere: bool
    """Whether the values lie outside the entry, because they are too long for it."""


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """The way in which a file writes its numbers."""

    order: str
    """`<` or `>`, as in `struct`."""
    is_big: bool
    """Whether it is a BigTIFF, with offsets of eight bytes."""

    @property
    def offset(self) -> str:
        return f"{self.order}{'Q' if self.is_big else 'I'}"

    @property
    def count(self) -> str:
        """The number of entries, at the start of a directory."""
        return f"{self.order}{'Q' if self.is_big else 'H'}"

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(f"{self.order}HH{'Q' if self.is_big else 'I'}")

    @property
    def room(self) -> int:
        """Bytes of an offset, and of the values that an entry itself can hold."""
        return 8 if self.is_big else 4

    @property
    def entry_bytes(self) -> int:
        return self.entry.size + self.room

    @property
    def first_pointer(self) -> int:
        """The place of the offset of the first directory."""
        return 8 if self.is_big else 4


def read_number_format(data: Data) -> NumberFormat:
    return NumberFormat("<" if data[:2] == b"II" else ">", b"+" in data[2:4])


def first_directory(data: Data) -> int:
    """Return the offset of the first directory."""
    number_format = read_number_format(data)
    return struct.unpack_from(number_format.offset, data, number_format.first_pointer)[0]


def entries(data: Data, directory: int | None = None) -> Iterator[Entry]:
    """Yield the entries of a directory, by default the first. Raise `ParserBomb` for too many of them."""
    try:
        start = first_directory(data) if directory is None else directory
        yield from entries_at(data, start, read_number_format(data))
    except (struct.error, OverflowError):
        return


def entries_at(data: Data, directory: int, number_format: NumberFormat) -> Iterator[Entry]:
    """Yield the entries of the directory that begins at the offset `directory`."""
    [count] = struct.unpack_from(number_format.count, data, directory)
    if count > MOST_VALUES:
        raise ParserBomb(f"more than {MOST_VALUES} tags")
    header, room = number_format.entry, number_format.room
    for index in range(count):
        position = directory + struct.calcsize(number_format.count) + index * number_format.entry_bytes
        if position + header.size + room > len(data):
            return
        tag, kind, values = header.unpack_from(data, position)
        most = 3 * MOST_VALUES if tag == COLOUR_MAP else MOST_VALUES
        if kind not in ONE_BYTE_TYPES and values > most:
            raise ParserBomb(f"more than {most} values of tag {tag}")
        value, is_elsewhere = position + header.size, values * TYPE_BYTES.get(kind, 0) > room
        if is_elsewhere:
            value = struct.unpack_from(number_format.offset, data, value)[0]
        yield Entry(tag, kind, values, position, value, is_elsewhere)


def walk(data: Data) -> None:
    """Raise `ParserBomb` for too many tags or values, or for strips or tiles that share bytes of the file."""
    tags, pieces = Tags(data), list[tuple[int, int]]()
    with suppress(ValueError, struct.error):
        pieces = sorted(zip(*tags.pieces(), strict=False))
        if len(pieces) < tags.count_pieces():
            return  # the file is incomplete, and refused for that
    total, shared, end = 0, 0, 0
    for start, size in pieces:
        total += size
        shared += max(0, min(end, start + size) - start)
        end = max(end, start + size)
    if end > len(data):
        return  # the file is cut off, and refused for that
    if total > len(data):
        raise ParserBomb("strips or tiles that are longer together than the file")
    if shared > SHARED_BYTES:
        raise ParserBomb(f"strips or tiles that share more than {SHARED_BYTES} bytes")


class Tags:
    """The tags of a directory, by number. A tag that is missing has its default value."""

    def __init__(self, data: Data, directory: int | None = None) -> None:
        """Read the directory at an offset, by default the first one."""
        self._data = data
        self._order = read_number_format(data).order
        self._entries: dict[int, Entry] = {}
        total_bytes = 0
        for entry in entries(data, directory):
            size = entry.count * TYPE_BYTES.get(entry.kind, 0)
            if entry.tag in self._entries or not size:
                continue
            if entry.is_elsewhere:
                total_bytes += size
                if total_bytes > len(data):
                    continue
            if entry.value + size > len(data):
                return
            self._entries[entry.tag] = entry

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def entry(self, tag: int) -> Entry:
        return self._entries[tag]

    def has_integers(self, tag: int) -> bool:
        return tag in self and self._entries[tag].kind in INTEGERS

    def content(self, tag: int) -> tuple[int, ...] | bytes:
        """Return all integers, or the bytes of any other value. Raise `KeyError` if the tag is missing."""
        entry = self._entries[tag]
        if entry.kind in INTEGERS:
            code = f"{self._order}{entry.count}{INTEGERS[entry.kind]}"
            return struct.unpack_from(code, self._data, entry.value)
        return bytes(self._data[entry.value : entry.value + entry.count * TYPE_BYTES[entry.kind]])

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return all values. Raise `ValueError` if they are no integers."""
        if tag not in self:
            return default
        content = self.content(tag)
        if isinstance(content, bytes):
            raise ValueError(f"the values of tag {tag} are not integers")  # noqa: TRY004  the file is wrong, not the caller
        return content

    def number(self, tag: int, default: int | None = None) -> int:
        """Return the first value. Raise `ValueError` if there is none, or if it is no integer."""
        values = self.numbers(tag)
        if values:
            return values[0]
        if default is None:
            raise ValueError(f"tag {tag} is missing")
        return default

    def pieces(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the offsets and the lengths of all strips, or else of all tiles.

        The lengths of uncompressed strips follow from the size of the picture. Some writers state none, or
        that of a whole strip for a last one that is shorter.
        """
        if STRIP_OFFSETS in self:
            offsets = self.numbers(STRIP_OFFSETS)
            return offsets, self._uncompressed_lengths(len(offsets)) or self.numbers(STRIP_LENGTHS)
        return self.numbers(TILE_OFFSETS), self.numbers(TILE_LENGTHS)

    def count_pieces(self) -> int:
        """Return how many strips or tiles the picture needs in all planes. Raise `ValueError` if the file
        does not say it.
        """
        if self.number(COMPRESSION, UNCOMPRESSED) == OLD_JPEG:
            return 1  # its strips may be places within a single JPEG
        width, height = self.number(WIDTH), self.number(HEIGHT)
        across, down = width, self.number(ROWS_PER_STRIP, height)
        if STRIP_OFFSETS not in self:
            across, down = self.number(TILE_WIDTH), self.number(TILE_HEIGHT)
        if min(width, height, across, down) < 1:
            raise ValueError("strips or tiles without pixels")
        planes = self.number(SAMPLES, 1) if self._has_planes() else 1
        return planes * -(-width // across) * -(-height // down)

    def _has_planes(self) -> bool:
        return self.number(PLANES, 1) == SEPARATE_PLANES

    def _uncompressed_lengths(self, listed: int) -> tuple[int, ...]:
        """Return the bytes of the strips that the picture needs, or none if they are compressed or
        subsampled. `listed` is the number of strips in the file.
        """
        if self.number(COMPRESSION, UNCOMPRESSED) != UNCOMPRESSED or self.number(PHOTOMETRIC, 0) == YCBCR:
            return ()
        samples = 1 if self._has_planes() else self.number(SAMPLES, 1)
        row_bytes = (self.number(WIDTH) * samples * self.number(BITS, 1) + 7) // 8
        height, count = self.number(HEIGHT), min(listed, self.count_pieces())
        rows = min(height, self.number(ROWS_PER_STRIP, height))
        in_plane = -(-height // rows)
        return tuple(row_bytes * min(rows, height - index % in_plane * rows) for index in range(count))


def coded_pixels(tags: Tags) -> int:
    """Return the pixels of all tiles together, which reach beyond the picture; 0 if it has strips."""
    if STRIP_OFFSETS in tags or TILE_OFFSETS not in tags:
        return 0
    return len(tags.numbers(TILE_OFFSETS)) * tags.number(TILE_WIDTH, 0) * tags.number(TILE_HEIGHT, 0)


def is_complete(data: Data) -> bool:
    """Return whether the first picture is complete."""
    return has_all_pieces(Tags(data), len(data))


def has_all_pieces(tags: Tags, file_bytes: int) -> bool:
    """Return whether there are strips or tiles for all pixels, which lie within the file (section 8), and the
    tags of `STRUCTURE` are integers. Decoders leave missing tiles black.
    """
    if any(tag in tags and not tags.has_integers(tag) for tag in STRUCTURE):
        return False
    offsets, lengths = tags.pieces()
    needed = tags.count_pieces()
    if not offsets or not lengths or min(len(offsets), len(lengths)) < needed:
        return False
    places = zip(offsets, lengths, strict=False)
    return all(start and size and start + size <= file_bytes for start, size in places)
