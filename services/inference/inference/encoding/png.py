"""PNG (W3C, third edition), about twenty times faster than by Pillow's default, with 14 % more bytes.

Every row has the filter "up" and is compressed by ISA-L. Rows are written as they come, so that no whole
picture is in memory.
"""

import io
import struct
from collections.abc import Iterator

import numpy as np
from isal import isal_zlib

from imagefile.png import END, HEADER, PIXELS, SIGNATURE
from inference.encoding.options import Options
from inference.picture import Header, Pixels

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By number of channels: grey, grey and alpha, RGB, RGB and alpha."""
UP = 2
METRES, METRES_PER_INCH = 1, 0.0254
LEVEL = 2
STRIP_BYTES = 1 << 20


class Writer:
    def __init__(self, header: Header, options: Options) -> None:
        self._out = io.BytesIO()
        self._compressor = Compressor(bytes_of_row(header, header.width))
        write_start(self._out, header)

    def write(self, samples: Pixels) -> None:
        for data in self._compressor.push(samples):
            write_chunk(self._out, PIXELS, data)

    def finish(self) -> bytes:
        write_chunk(self._out, PIXELS, self._compressor.flush())
        write_chunk(self._out, END, b"")
        return self._out.getvalue()


class Compressor:
    """Filters and compresses the rows of one picture."""

    def __init__(self, row_bytes: int) -> None:
        self._row_bytes = row_bytes
        self._above = np.zeros(row_bytes, np.uint8)
        self._compressor = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, 15)

    def push(self, samples: Pixels) -> Iterator[bytes]:
        """Yield the compressed data that is ready."""
        rows = max(1, STRIP_BYTES // self._row_bytes)
        for top in range(0, len(samples), rows):
            strip = samples[top : top + rows]
            big_endian = strip.astype(">u2") if strip.dtype == np.uint16 else np.ascontiguousarray(strip)
            if data := self._compressor.compress(self._filtered(big_endian.view(np.uint8))):
                yield data

    def flush(self) -> bytes:
        return self._compressor.flush()

    def _filtered(self, strip: Pixels) -> Pixels:
        """Return rows as stored: the filter's number, then the difference to the row above, modulo 256."""
        rows = strip.reshape(-1, self._row_bytes)
        filtered = np.empty((len(rows), 1 + self._row_bytes), np.uint8)
        filtered[:, 0] = UP
        np.subtract(rows[0], self._above, out=filtered[0, 1:])
        np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
        self._above = rows[-1].copy()
        return filtered


def bytes_of_row(header: Header, width: int) -> int:
    return width * header.channels * header.depth // 8


def write_start(out: io.BytesIO, header: Header, *more: tuple[bytes, bytes]) -> None:
    """Write what stands ahead of the pixels. `more` are further chunks, with their kinds."""
    out.write(SIGNATURE)
    colour_type = COLOUR_TYPES[header.channels]
    ihdr = struct.pack(">IIBBBBB", header.width, header.height, header.depth, colour_type, 0, 0, 0)
    write_chunk(out, HEADER, ihdr)
    for kind, data in more:
        write_chunk(out, kind, data)
    if header.icc:
        write_chunk(out, b"iCCP", b"icc\0\0" + isal_zlib.compress(header.icc))
    if header.dpi:
        across, down = (round(each / METRES_PER_INCH) for each in header.dpi)
        write_chunk(out, b"pHYs", struct.pack(">IIB", across, down, METRES))
    if header.exif:
        write_chunk(out, b"eXIf", header.exif)


def write_chunk(out: io.BytesIO, kind: bytes, data: bytes) -> None:
    out.write(struct.pack(">I", len(data)))
    out.write(kind)
    out.write(data)
    out.write(struct.pack(">I", isal_zlib.crc32(data, isal_zlib.crc32(kind))))
