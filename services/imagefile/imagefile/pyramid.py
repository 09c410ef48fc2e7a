"""The structure of a pyramid: one file with the tiles of a picture, at full size and in ever smaller levels.

The file begins with the size of the picture and the place of each tile. The tiles follow, in any order; each
is a WebP of its own. A reader can thus fetch any tile by its range of bytes.
"""

import io
import struct
from dataclasses import dataclass

TILE = 512
"""The side of a tile in pixels. Those at the right and at the bottom may be smaller."""
MEDIA_TYPE = "application/octet-stream"
MAGIC = b"LOUPEPY1"
HEADER = struct.Struct("<8sIII")
"""Magic, then width, height and side of a tile, in pixels."""
PLACE = struct.Struct("<II")
"""Offset and length of a tile, in bytes."""
LONGEST_SIDE = 1 << 20
"""A header with a longer side is damaged."""

Place = tuple[int, int]


class Damaged(ValueError):
    """The file is no pyramid, or it names places outside itself."""


@dataclass(frozen=True, slots=True)
class Level:
    """The picture at one size, cut into rows of tiles."""

    width: int
    height: int
    columns: int
    rows: int
    first: int
    """The number of its first tile, of all tiles of the pyramid."""


def levels(width: int, height: int, tile: int = TILE) -> list[Level]:
    """Return the levels, full size first. Each halves the one before, and the last is one tile."""
    found: list[Level] = []
    first = 0
    while True:
        level = Level(width, height, -(-width // tile), -(-height // tile), first)
        found.append(level)
        first += level.columns * level.rows
        if level.columns == level.rows == 1:
            return found
        width, height = -(-width // 2), -(-height // 2)


def count_tiles(width: int, height: int, tile: int = TILE) -> int:
    last = levels(width, height, tile)[-1]
    return last.first + 1


class File:
    """A pyramid that is being written."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._places: list[Place] = [(0, 0)] * count_tiles(width, height)
        self._out = io.BytesIO()
        self._out.write(bytes(HEADER.size + PLACE.size * len(self._places)))

    def add(self, number: int, data: bytes) -> None:
        """Write the tile with this number."""
        self._places[number] = self._out.tell(), len(data)
        self._out.write(data)

    def finish(self) -> bytes:
        """Return the file. All tiles must have been added."""
        self._out.seek(0)
        self._out.write(HEADER.pack(MAGIC, *self._size, TILE))
        for place in self._places:
            self._out.write(PLACE.pack(*place))
        return self._out.getvalue()


@dataclass(frozen=True, slots=True)
class Header:
    """The size of the picture and of its tiles."""

    width: int
    height: int
    tile: int

    @property
    def index_bytes(self) -> int:
        """The length of the places, which follow the header."""
        return PLACE.size * count_tiles(self.width, self.height, self.tile)


def read_header(data: bytes, most_pixels: int) -> Header:
    """Read the first `HEADER.size` bytes of a file.

    Raise `Damaged` if they are not those of a pyramid, or if its picture has more than `most_pixels`.
    """
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        raise Damaged("the file is no pyramid")
    _, width, height, tile = HEADER.unpack_from(data)
    is_possible = 0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE and width * height <= most_pixels
    if not (is_possible and tile == TILE):
        raise Damaged(f"a pyramid of {width} x {height} pixels with tiles of {tile} is not possible")
    return Header(width, height, tile)


def read_index(data: bytes) -> list[Place]:
    """Return the places of all tiles, in the order of their numbers, from the bytes after the header."""
    return [(offset, length) for offset, length in PLACE.iter_unpack(data)]
