"""TIFF with deflated strips and the horizontal predictor, by ISA-L as in PNG.

Pillow's writer keeps the interpreter lock for as long as it works, seconds for a large picture.
"""

import io
import struct

import numpy as np
from isal import isal_zlib

from inference.picture import Picture, Pixels

SHORT, LONG, UNDEFINED = 3, 4, 7
CODES = {SHORT: "H", LONG: "I", UNDEFINED: "B"}
ADOBE_DEFLATE = 8
HORIZONTAL = 2
UNASSOCIATED_ALPHA = 2
LEVEL = 2
STRIP_BYTES = 1 << 20

Entry = tuple[int, int, list[int] | bytes]
"""A tag's number, its type and its values."""


def encode(picture: Picture) -> bytes:
    out = io.BytesIO(b"II*\0----")
    out.seek(8)
    channels = picture.pixels.shape[2] + picture.has_alpha
    rows = max(1, STRIP_BYTES // (picture.width * channels))
    strips = [
        write_aligned(out, isal_zlib.compress(differences(picture.samples(top, top + rows)), LEVEL))
        for top in range(0, picture.height, rows)
    ]
    directory = write_directory(out, entries(picture, channels, rows, strips))
    out.seek(4)
    out.write(struct.pack("<I", directory))
    return out.getvalue()


def differences(samples: Pixels) -> bytes:
    """Each pixel less its left neighbour, modulo 256."""
    result = samples.copy()
    np.subtract(samples[:, 1:], samples[:, :-1], out=result[:, 1:])
    return result.tobytes()


def entries(picture: Picture, channels: int, rows: int, strips: list[tuple[int, int]]) -> list[Entry]:
    """In the order of their numbers, as TIFF demands."""
    listed: list[Entry] = [
        (256, LONG, [picture.width]),
        (257, LONG, [picture.height]),
        (258, SHORT, [8] * channels),
        (259, SHORT, [ADOBE_DEFLATE]),
        (262, SHORT, [1 if picture.is_grey else 2]),
        (273, LONG, [offset for offset, _ in strips]),
        (277, SHORT, [channels]),
        (278, LONG, [rows]),
        (279, LONG, [length for _, length in strips]),
        (284, SHORT, [1]),
        (317, SHORT, [HORIZONTAL]),
    ]
    if picture.has_alpha:
        listed.append((338, SHORT, [UNASSOCIATED_ALPHA]))
    if picture.icc is not None:
        listed.append((34675, UNDEFINED, picture.icc))
    return listed


def write_directory(out: io.BytesIO, listed: list[Entry]) -> int:
    """Values of up to four bytes stand in the directory itself, longer ones before it."""
    directory = struct.pack("<H", len(listed))
    for number, kind, values in listed:
        data = struct.pack(f"<{len(values)}{CODES[kind]}", *values)
        if len(data) > 4:
            data = struct.pack("<I", write_aligned(out, data)[0])
        directory += struct.pack("<HHI", number, kind, len(values)) + data.ljust(4, b"\0")
    return write_aligned(out, directory + bytes(4))[0]


def write_aligned(out: io.BytesIO, data: bytes) -> tuple[int, int]:
    """Offset and length; offsets are even."""
    out.write(bytes(out.tell() % 2))
    offset = out.tell()
    out.write(data)
    return offset, len(data)
