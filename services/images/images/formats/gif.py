"""The pictures of a GIF, block by block (GIF89a, 20 to 22). What follows the last does no harm."""

import struct
from dataclasses import dataclass

PICTURE, EXTENSION = 0x2C, 0x21


@dataclass(frozen=True, slots=True)
class Pictures:
    count: int
    """0 where one of them is cut off."""
    width: int
    height: int
    """Of the canvas, and of what reaches beyond it, in which they are read."""
    has_holes: bool = False
    """The first does not cover the canvas."""


def pictures(data: bytes, most: int) -> Pictures:
    """Counts no more than one beyond `most`."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position, count, canvas, has_holes = 13 + _colours(flags), 0, (width, height), False
    while position < len(data) and count <= most:
        after = None
        if data[position] == PICTURE and position + 10 < len(data):
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, position + 1)
            if count == 0:
                has_holes = (left, top, across, down) != (0, 0, *canvas)
            width, height = max(width, left + across), max(height, top + down)
            after = _after_sub_blocks(data, position + 11 + _colours(flags))
            count = count + 1 if after else 0
        elif data[position] == EXTENSION:
            after = _after_sub_blocks(data, position + 2)
        if after is None:
            break
        position = after
    return Pictures(count, width, height, has_holes)


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, position: int) -> int | None:
    while position < len(data):
        if data[position] == 0:
            return position + 1
        position += data[position] + 1
    return None
