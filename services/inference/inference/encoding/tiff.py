"""TIFF 6.0 with the horizontal predictor, in strips that ISA-L compresses.

Pillow's writer would block all other threads until the picture is written, for seconds if it is large.
"""

import io
import struct

import numpy as np
from isal import isal_zlib
from PIL import Image, TiffImagePlugin

from imagefile.tiff import (
    ASCII,
    BITS,
    COMPRESSION,
    EXTRA_SAMPLES,
    FRACTION,
    HEIGHT,
    ICC_PROFILE,
    LONG,
    PHOTOMETRIC,
    PLANES,
    PREDICTOR,
    ROWS_PER_STRIP,
    SAMPLES,
    SHORT,
    STRIP_LENGTHS,
    STRIP_OFFSETS,
    UNDEFINED,
    WIDTH,
)
from inference.encoding.options import Options
from inference.encoding.strips import Strips
from inference.metadata import EXIF, GPS, RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION, writable
from inference.picture import Header, Pixels

CODES = {ASCII: "B", SHORT: "H", LONG: "I", UNDEFINED: "B", FRACTION: "I"}
INCHES, DENOMINATOR = 2, 10_000
ADOBE_DEFLATE, HORIZONTAL, UNASSOCIATED_ALPHA, ONE_PLANE = 8, 2, 2, 1
BLACK_IS_ZERO, RGB = 1, 2
LEVEL = 2
STRIP_BYTES = 1 << 20

Entry = tuple[int, int, list[int] | bytes]
"""A tag's number, type and values."""


class File:
    """A file of one or several pages."""

    def __init__(self) -> None:
        self.out = io.BytesIO(b"II*\0\0\0\0\0")
        self.out.seek(8)
        self._pointer = 4
        """The place of the offset of the next directory."""

    def add_directory(self, entries: list[Entry]) -> None:
        directory = write_directory(self.out, entries)
        end = self.out.tell()
        self.out.seek(self._pointer)
        self.out.write(struct.pack("<I", directory))
        self.out.seek(end)
        self._pointer = end - 4


class Writer:
    """A page. Without a file of others, it is a file of its own."""

    def __init__(self, header: Header, options: Options, file: File | None = None) -> None:
        self._header = header
        self._file = file or File()
        self._out = self._file.out
        row_bytes = header.width * header.channels * header.depth // 8
        self._rows = max(1, STRIP_BYTES // row_bytes)
        self._strips = Strips(self._rows)
        self._places: list[tuple[int, int]] = []

    def write(self, samples: Pixels) -> None:
        for strip in self._strips.push(samples):
            self._write_strip(strip)

    def finish(self) -> bytes:
        self.end_page()
        return self._out.getvalue()

    def end_page(self) -> None:
        for strip in self._strips.rest():
            self._write_strip(strip)
        entries = picture_entries(self._header, self._rows, self._places)
        if self._header.exif:
            entries = sorted([*entries, *exif_entries(self._out, self._header.exif)])
        self._file.add_directory(entries)

    def _write_strip(self, strip: Pixels) -> None:
        deflated = isal_zlib.compress(differences(strip), LEVEL)
        self._places.append(write_aligned(self._out, deflated))


def differences(samples: Pixels) -> bytes:
    """Return each sample minus its left neighbour, modulo 256 or 65536."""
    result = samples.astype("<u2") if samples.dtype == np.uint16 else samples.copy()
    np.subtract(samples[:, 1:], samples[:, :-1], out=result[:, 1:])
    return result.tobytes()


def picture_entries(header: Header, rows: int, places: list[tuple[int, int]]) -> list[Entry]:
    """Return the entries that describe the pixels, in the order of their numbers, as TIFF demands."""
    entries: list[Entry] = [
        (WIDTH, LONG, [header.width]),
        (HEIGHT, LONG, [header.height]),
        (BITS, SHORT, [header.depth] * header.channels),
        (COMPRESSION, SHORT, [ADOBE_DEFLATE]),
        (PHOTOMETRIC, SHORT, [BLACK_IS_ZERO if header.is_grey else RGB]),
        (STRIP_OFFSETS, LONG, [offset for offset, _ in places]),
        (SAMPLES, SHORT, [header.channels]),
        (ROWS_PER_STRIP, LONG, [rows]),
        (STRIP_LENGTHS, LONG, [length for _, length in places]),
        (PLANES, SHORT, [ONE_PLANE]),
        (PREDICTOR, SHORT, [HORIZONTAL]),
    ]
    if header.dpi:
        across, down = ([round(each * DENOMINATOR), DENOMINATOR] for each in header.dpi)
        resolution = [(X_RESOLUTION, FRACTION, across), (Y_RESOLUTION, FRACTION, down)]
        entries = sorted([*entries, *resolution, (RESOLUTION_UNIT, SHORT, [INCHES])])
    if header.has_alpha:
        entries.append((EXTRA_SAMPLES, SHORT, [UNASSOCIATED_ALPHA]))
    if header.icc:
        entries.append((ICC_PROFILE, UNDEFINED, header.icc))
    return entries


def exif_entries(out: io.BytesIO, exif: bytes) -> list[Entry]:
    """Return the entries of the first directory of `exif`. Write the directories that they point to."""
    parsed = Image.Exif()
    parsed.load(b"Exif\0\0" + exif)
    entries: list[Entry] = []
    for tag, value in parsed.items():
        if isinstance(value, str):
            text = value.encode("latin-1") + b"\0"
            entries.append((tag, ASCII, text))
    for tag in (EXIF, GPS):
        values = parsed.get_ifd(tag)
        if values:
            directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II", group=tag)
            for number, value in values.items():
                directory[number] = writable(value)
                if tag == EXIF and isinstance(value, bytes):
                    directory.tagtype[number] = UNDEFINED
            out.write(bytes(out.tell() % 2))
            entries.append((tag, LONG, [out.tell()]))
            out.write(directory.tobytes(out.tell()))
    return entries


def write_directory(out: io.BytesIO, entries: list[Entry]) -> int:
    """Write longer values, then the directory, which holds values of up to four bytes. Return its offset.

    The last four bytes are the offset of the next directory, 0 for none.
    """
    directory = struct.pack("<H", len(entries))
    for number, kind, values in entries:
        data = struct.pack(f"<{len(values)}{CODES[kind]}", *values)
        if len(data) > 4:
            data = struct.pack("<I", write_aligned(out, data)[0])
        count = len(values) // 2 if kind == FRACTION else len(values)
        directory += struct.pack("<HHI", number, kind, count) + data.ljust(4, b"\0")
    return write_aligned(out, directory + bytes(4))[0]


def write_aligned(out: io.BytesIO, data: bytes) -> tuple[int, int]:
    """Write at an even offset, as TIFF demands. Return the offset and the length."""
    out.write(bytes(out.tell() % 2))
    offset = out.tell()
    out.write(data)
    return offset, len(data)
