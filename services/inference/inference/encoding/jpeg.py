"""Baseline JPEG (ITU-T T.81) from rows as they come, so that no picture is held.

libjpeg encodes each strip as a file of its own. All of them have the same tables, so their entropy-coded
data stand one after the other in one file, parted by restart markers: each decoder starts anew there.
"""

import io
import struct

import numpy as np
from PIL import Image

from inference.encoding.strips import Strips
from inference.picture import Header, Pixels

BLOCK = 8
LONGEST_INTERVAL = 0xFFFF
"""Blocks between two restart markers."""
STRIP_BYTES = 512 << 10
SOI, EOI, SOS, SOF0, DRI, APP1, APP2 = b"\xff\xd8", b"\xff\xd9", 0xDA, 0xC0, 0xDD, 0xE1, 0xE2
RESTARTS = [bytes((0xFF, 0xD0 + number)) for number in range(8)]
ICC_PIECE = 65519
"""What fits into a segment beside `ICC_PROFILE` and the two numbers (ICC.1:2022, annex B.4)."""


class Writer:
    """`header` is of 8 bits without alpha."""

    def __init__(self, header: Header, quality: int) -> None:
        self._header = header
        self._quality = quality
        across = -(-header.width // BLOCK)
        fitting = min(LONGEST_INTERVAL // across, STRIP_BYTES // (header.width * header.channels * BLOCK))
        self._rows = BLOCK * max(1, fitting)
        self._interval = across * self._rows // BLOCK
        self._strips = Strips(self._rows)
        self._out = io.BytesIO()
        self._written = 0

    def write(self, samples: Pixels) -> None:
        for strip in self._strips.push(samples):
            self._strip(strip)

    def finish(self) -> bytes:
        for strip in self._strips.rest():
            self._strip(strip)
        self._out.write(EOI)
        return self._out.getvalue()

    def _strip(self, strip: Pixels) -> None:
        encoded = io.BytesIO()
        image = Image.fromarray(np.ascontiguousarray(strip[:, :, 0] if strip.shape[2] == 1 else strip))
        image.save(encoded, "JPEG", quality=self._quality, subsampling="4:4:4", optimize=False)
        head, data = parted(encoded.getvalue())
        if self._written:
            self._out.write(RESTARTS[(self._written - 1) % 8])
        else:
            self._out.write(self._head(head))
        self._out.write(data)
        self._written += 1

    def _head(self, segments: list[tuple[int, bytes]]) -> bytes:
        """Those of the first strip, with the picture's height and what else the file has to tell."""
        out = [SOI]
        for marker, body in segments:
            if marker == SOF0:
                out += [segment(APP1, b"Exif\0\0" + self._header.exif)] if self._header.exif else []
                out += icc_segments(self._header.icc or b"")
                out.append(segment(SOF0, body[:1] + struct.pack(">H", self._header.height) + body[3:]))
            elif marker == SOS:
                out += [segment(DRI, struct.pack(">H", self._interval)), segment(SOS, body)]
            else:
                out.append(segment(marker, body))
        return b"".join(out)


def parted(encoded: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The segments of a file with one scan, by marker, and the data of the scan."""
    segments: list[tuple[int, bytes]] = []
    position = len(SOI)
    while True:
        marker, length = struct.unpack_from(">xBH", encoded, position)
        segments.append((marker, encoded[position + 4 : position + 2 + length]))
        position += 2 + length
        if marker == SOS:
            return segments, encoded[position : -len(EOI)]


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def icc_segments(profile: bytes) -> list[bytes]:
    pieces = [profile[at : at + ICC_PIECE] for at in range(0, len(profile), ICC_PIECE)]
    return [
        segment(APP2, b"ICC_PROFILE\0" + bytes((number, len(pieces))) + piece)
        for number, piece in enumerate(pieces, 1)
    ]
