"""Whether a file is made to keep parsers busy: millions of parts, where honest files have dozens.

Looked at before any parser is, and in a fraction of a second whatever the file.
"""

import struct

MOST_SEGMENTS = 2_000
"""Of a JPEG before its pixels; a profile of 4 MiB takes 65, and an MPO's or a camera's own a few dozen."""
MOST_CHUNKS = 10_000
"""Of a PNG, those with pixels not counted."""
MOST_BLOCKS = 20_000
"""Of a GIF: pictures and extensions."""
MOST_SUB_BLOCKS = 400_000
"""Ten times what 10 MB need where each is as long as can be."""
MOST_VALUES = 65_536
"""Of a TIFF's tag, such as the places of its strips."""
STANDALONE = (0x00, 0x01, 0xD8, 0xFF)
"""After 0xFF in a JPEG: what has no length, and fill bytes."""


def is_parser_bomb(data: bytes) -> bool:
    match data[:4]:
        case b"\x89PNG":
            return _png(data)
        case b"GIF8":
            return _gif(data)
        case b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+" | b"II\0*" | b"MM*\0":  # Pillow opens the last two too
            return _tiff(data)
        case _:
            return data.startswith(b"\xff\xd8") and _jpeg(data)


def _jpeg(data: bytes) -> bool:
    position = 2
    for _ in range(MOST_SEGMENTS):
        if position + 4 > len(data) or data[position] != 0xFF or data[position + 1] == 0xDA:
            return False
        if data[position + 1] in STANDALONE:
            position += 1 if data[position + 1] == 0xFF else 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return True


def _png(data: bytes) -> bool:
    position, chunks = 8, 0
    while position + 8 <= len(data) and chunks <= MOST_CHUNKS:
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IEND":
            return False
        chunks += kind != b"IDAT" or length < 64
        position += 12 + length
    return chunks > MOST_CHUNKS


def _gif(data: bytes) -> bool:
    """GIF89a, 20 to 26."""
    if len(data) < 13:
        return False
    position, sub_blocks = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0), 0
    for _ in range(MOST_BLOCKS):
        if position + 10 > len(data) or data[position] not in (0x21, 0x2C):
            return False
        is_picture, flags = data[position] == 0x2C, data[position + 9]
        position += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0) if is_picture else 2
        while position < len(data) and data[position]:
            position += data[position] + 1
            sub_blocks += 1
            if sub_blocks > MOST_SUB_BLOCKS:
                return True
        position += 1
    return True


def _tiff(data: bytes) -> bool:
    """The first directory alone: no other is read."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = b"+" in data[2:4]
    place, size, entry = (8, 8, 20) if is_big else (4, 2, 12)
    try:
        start = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, place)[0]
        entries = struct.unpack_from(f"{order}{'Q' if is_big else 'H'}", data, start)[0]
    except (struct.error, OverflowError):
        return False
    values = f"{order}{'Q' if is_big else 'I'}"
    if entries > MOST_VALUES:
        return True
    for index in range(entries):
        at = start + size + index * entry + 4
        if at + entry - 4 > len(data):
            return False
        kind = struct.unpack_from(f"{order}H", data, at - 2)[0]
        if kind not in (1, 2, 6, 7) and struct.unpack_from(values, data, at)[0] > MOST_VALUES:
            return True
    return False
