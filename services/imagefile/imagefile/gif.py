"""The blocks of a GIF file (GIF89a, sections 20 to 26). Blocks after the last picture are harmless."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from imagefile.parser_bombs import ParserBomb, limited

PICTURE, EXTENSION, TRAILER = 0x2C, 0x21, 0x3B
CONTROL = 0xF9
"""The label of the extension that says how the next picture is shown."""
COLOUR_TABLE = 0x80
"""The flag of a colour table that follows."""
HEADER_BYTES = 13
MOST_FRAMES = 2000
MOST_BLOCKS = 20_000
"""Pictures and extensions together."""
MOST_SUB_BLOCKS = 400_000
"""Ten times what 10 MB need with sub-blocks of full length."""


@dataclass(frozen=True, slots=True)
class Block:
    kind: int
    """`PICTURE` or `EXTENSION`."""
    start: int
    end: int
    """Offset after the block's last byte; the length of the file if the block is cut off."""
    is_cut_off: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """The facts about an animation that are known without decoding it."""

    frames: int
    """0 if one of the pictures is cut off."""
    width: int
    height: int
    """Size of the canvas. As in decoding, it is enlarged for pictures that reach beyond it."""
    has_holes: bool = False
    """Whether the first picture does not cover the canvas."""


def blocks(data: bytes) -> Iterator[Block]:
    """Yield pictures and extensions up to the trailer, to an unknown block, or to a block that is cut off.

    Raise `ParserBomb` for too many blocks or sub-blocks.
    """
    if len(data) < HEADER_BYTES:
        return
    position, sub_blocks = first_block_offset(data), 0
    for _ in limited(MOST_BLOCKS, "blocks"):
        if position >= len(data) or data[position] not in (PICTURE, EXTENSION):
            return
        kind = data[position]
        if kind == PICTURE and position + 10 >= len(data):
            return
        end = position + (11 + _table_bytes(data[position + 9]) if kind == PICTURE else 2)
        while end < len(data) and data[end]:
            end += data[end] + 1
            sub_blocks += 1
            if sub_blocks > MOST_SUB_BLOCKS:
                raise ParserBomb(f"more than {MOST_SUB_BLOCKS} sub-blocks")
        is_cut_off = end >= len(data)
        end = min(end + 1, len(data))
        yield Block(kind, position, end, is_cut_off)
        if is_cut_off:
            return
        position = end


def walk(data: bytes) -> None:
    """Raise `ParserBomb` for a file of too many blocks.

    A byte that starts no block counts as one: Pillow skips it, and reads on behind it.
    """
    parts = iter(limited(MOST_BLOCKS, "blocks"))
    position, sub_blocks = first_block_offset(data) if len(data) >= HEADER_BYTES else len(data), 0
    while position < len(data) and data[position] != TRAILER:
        next(parts)
        kind = data[position]
        if kind not in (PICTURE, EXTENSION) or (kind == PICTURE and position + 10 >= len(data)):
            position += 1
            continue
        position += 11 + _table_bytes(data[position + 9]) if kind == PICTURE else 2
        while position < len(data) and data[position]:
            position += data[position] + 1
            sub_blocks += 1
            if sub_blocks > MOST_SUB_BLOCKS:
                raise ParserBomb(f"more than {MOST_SUB_BLOCKS} sub-blocks")
        position += 1


def first_block_offset(data: bytes) -> int:
    """Return the offset after the header and the global colour table."""
    return HEADER_BYTES + _table_bytes(data[10])


def summarise(data: bytes) -> Summary:
    """Return the facts about the animation. Counting stops after `MOST_FRAMES` + 1 pictures.

    Raise `struct.error` for a file without a header.
    """
    width, height = struct.unpack_from("<HH", data, 6)
    frames, canvas, has_holes = 0, (width, height), False
    for block in blocks(data):
        if block.kind != PICTURE:
            continue
        left, top, across, down = struct.unpack_from("<HHHH", data, block.start + 1)
        if frames == 0:
            has_holes = (left, top, across, down) != (0, 0, *canvas)
        width, height = max(width, left + across), max(height, top + down)
        frames = 0 if block.is_cut_off else frames + 1
        if frames > MOST_FRAMES:
            break
    return Summary(frames, width, height, has_holes)


def is_complete(data: bytes) -> bool:
    """Return whether there are pictures and none of them is cut off."""
    return summarise(data).frames > 0


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & COLOUR_TABLE else 0
