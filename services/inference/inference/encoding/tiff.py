"""TIFF 6.0 with deflated strips and the horizontal predictor, by ISA-L as in PNG.

Pillow's writer keeps the interpreter lock for as long as it works, seconds for a large picture.
"""

import io
import struct

import numpy as np
from isal import isal_zlib
from PIL import Image, TiffImagePlugin

from inference.encoding.strips import Strips
from inference.metadata import EXIF, GPS, as_written
from inference.picture import Header, Pixels

ASCII, SHORT, LONG, UNDEFINED = 2, 3, 4, 7
CODES = {ASCII: "B", SHORT: "H", LONG: "I", UNDEFINED: "B"}
ADOBE_DEFLATE = 8
HORIZONTAL = 2
UNASSOCIATED_ALPHA = 2
LEVEL = 2
STRIP_BYTES = 1 << 20

Entry = tuple[int, int, list[int] | bytes]
"""A tag's number, its type and its values."""


class Writer:
    def __init__(self, header: Header) -> None:
        self._header = header
        self._out = io.BytesIO(b"II*\0----")
        self._out.seek(8)
        row_bytes = header.width * header.channels * header.depth // 8
        self._rows = max(1, STRIP_BYTES // row_bytes)
        self._strips = Strips(self._rows)
        self._places: list[tuple[int, int]] = []

    def write(self, samples: Pixels) -> None:
        for strip in self._strips.push(samples):
            self._strip(strip)

    def finish(self) -> bytes:
        for strip in self._strips.rest():
            self._strip(strip)
        listed = entries(self._header, self._rows, self._places)
        if self._header.exif:
            listed = sorted([*listed, *told(self._out, self._header.exif)])
        directory = write_directory(self._out, listed)
        self._out.seek(4)
        self._out.write(struct.pack("<I", directory))
        return self._out.getvalue()

    def _strip(self, strip: Pixels) -> None:
        deflated = isal_zlib.compress(differences(strip), LEVEL)
        self._places.append(write_aligned(self._out, deflated))


def differences(samples: Pixels) -> bytes:
    """Each sample less its left neighbour's, modulo 256 or 65536."""
    result = samples.astype("<u2") if samples.dtype == np.uint16 else samples.copy()
    np.subtract(samples[:, 1:], samples[:, :-1], out=result[:, 1:])
    return result.tobytes()


def entries(header: Header, rows: int, places: list[tuple[int, int]]) -> list[Entry]:
    """In the order of their numbers, as TIFF demands."""
    is_grey, has_alpha = header.channels < 3, header.channels in (2, 4)
    listed: list[Entry] = [
        (256, LONG, [header.width]),
        (257, LONG, [header.height]),
        (258, SHORT, [header.depth] * header.channels),
        (259, SHORT, [ADOBE_DEFLATE]),
        (262, SHORT, [1 if is_grey else 2]),
        (273, LONG, [offset for offset, _ in places]),
        (277, SHORT, [header.channels]),
        (278, LONG, [rows]),
        (279, LONG, [length for _, length in places]),
        (284, SHORT, [1]),
        (317, SHORT, [HORIZONTAL]),
    ]
    if has_alpha:
        listed.append((338, SHORT, [UNASSOCIATED_ALPHA]))
    if header.icc:
        listed.append((34675, UNDEFINED, header.icc))
    return listed


def told(out: io.BytesIO, exif: bytes) -> list[Entry]:
    """EXIF is made of TIFF directories: the first joins the picture's own, and points to the others."""
    parsed = Image.Exif()
    parsed.load(b"Exif\0\0" + exif)
    listed: list[Entry] = []
    for tag, value in parsed.items():
        if isinstance(value, str):
            text = value.encode("latin-1") + b"\0"
            listed.append((tag, ASCII, text))
    for tag in (EXIF, GPS):
        values = parsed.get_ifd(tag)
        if values:
            directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II", group=tag)
            for number, value in values.items():
                directory[number] = as_written(value)
                if tag == EXIF and isinstance(value, bytes):
                    directory.tagtype[number] = UNDEFINED
            out.write(bytes(out.tell() % 2))
            listed.append((tag, LONG, [out.tell()]))
            out.write(directory.tobytes(out.tell()))
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
