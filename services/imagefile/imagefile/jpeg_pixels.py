"""Finds out whether a JPEG file has all its pixels, by decoding its last scan as far as it reaches.

libjpeg itself completes half a picture without an error. Here it gets the scan without what follows, then
some bytes that are no marker. A decoder that swallows all of them has all pixels, and looks for the next
marker. One that lacks pixels waits for more.

This module needs Pillow, which the services that call it have. The gateway must not import it.
"""

import threading
import time
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from PIL import Image

from imagefile import jpeg, jpeg_scans

ONES = b"\xff\0" * 8
"""Libjpeg reads up to eight bytes ahead. No Huffman code has only ones, so these complete hardly a block."""
PROBE, PROBES = b"\xfe", 4
"""Single bytes that a decoder must swallow, one by one. They make long codes, too."""
PIECE_BYTES, PIECE_BYTES_OF_SEVERAL_SCANS = 65_536, 4096
"""Bytes decoded at once, at most. A piece also ends with each scan, because a scan of a few bytes can stand
for a pass over the whole picture.
"""
EIGHTH = 8
"""Libjpeg decodes one pixel of 8 x 8, which costs little time and memory."""
PADDING, SPARE = bytes(64), 32
"""Zeros at the end of a scan, where a download was cut off whose file had its length from the start. They
decode as pixels. An encoder writes zeros for plain areas, but hardly a byte more than it needs.
"""
MODES = {1: "L", 3: "RGB", 4: "CMYK"}
"""By number of components."""
LONGEST_SECONDS = 1.0
"""Processor time. A file of 10 MB takes 0.15 s with one scan, 0.7 s with several."""
MOST_BYTES = 96 << 20
"""Memory for the coefficients of several scans, or for the pixels of a lossless picture: 33 megapixels of a
progressive photo.
"""

ONE_LARGE_PICTURE = threading.Lock()
"""Held while coefficients of a whole picture are in memory."""


def are_complete(
    data: bytes, *, most_bytes: int = MOST_BYTES, longest_seconds: float = LONGEST_SECONDS
) -> bool:
    """Return whether the scans contain all pixels. Call it only if `jpeg_scans.is_complete`.

    Also return True if finding out takes too much time or memory. Then the decoding child notices.
    """
    structure = jpeg_scans.read(data)
    if structure is None or not structure.has_all_intervals(data):
        return False
    frame = structure.frame
    is_lossless = frame.marker == jpeg.LOSSLESS
    needed = frame.width * frame.height * 4 if is_lossless else frame.coefficient_bytes
    if (is_lossless or not structure.is_sequential) and needed > most_bytes:
        return True
    if len(frame.components) not in MODES:
        return True

    def is_whole(end: int) -> bool:
        pieces = (memoryview(data)[start:stop] for start, stop in pairwise(boundaries(structure, end)))
        return _Reader(frame, 1 if is_lossless else EIGHTH).is_whole(pieces, longest_seconds)

    end = structure.last.end
    if data.endswith(PADDING, structure.last.start, end) and is_whole(end - SPARE):
        end = len(data[:end].rstrip(b"\0"))  # not even all zeros were needed, so none is a pixel
    return is_whole(end)


def boundaries(structure: jpeg_scans.Structure, end: int | None = None) -> list[int]:
    """Return the offsets between the pieces that are decoded at once. None has data of two scans.

    The last piece stops at `end`, by default at the end of the last scan.
    """
    end = structure.last.end if end is None else end
    longest = PIECE_BYTES if structure.is_sequential else PIECE_BYTES_OF_SEVERAL_SCANS
    ends = [scan.end for scan in structure.scans if scan.end <= end]
    return sorted({*range(0, end, longest), *ends, end})


class _Reader:
    """Pillow's JPEG decoder, which takes a file piece by piece and says how much of it was used."""

    def __init__(self, frame: jpeg_scans.Frame, scale: int) -> None:
        mode = MODES[len(frame.components)]
        size = (-(-frame.width // scale), -(-frame.height // scale))
        new_decoder: Any = getattr(Image, "_getdecoder")  # noqa: B009  it has no public name
        self._decoder = new_decoder(mode, "jpeg", (mode, ""), (scale, 0))
        self._image = Image.new(mode, size)
        self._decoder.setimage(self._image.im, (0, 0, *size))
        self._unused = b""
        self._has_ended = self._has_failed = False

    def is_whole(self, pieces: Iterable[memoryview], longest_seconds: float) -> bool:
        started = time.thread_time()
        for piece in pieces:
            self._feed(piece)
            if self._has_ended or time.thread_time() - started > longest_seconds:
                return not self._has_failed
        self._feed(ONES)
        for _ in range(PROBES):
            if self._has_ended:
                return not self._has_failed
            self._feed(PROBE)
            if self._unused and not self._has_ended:
                return False
        return not self._has_failed

    def _feed(self, piece: bytes | memoryview) -> None:
        if self._has_ended:
            return
        data = self._unused + piece
        used, error = self._decoder.decode(data)
        if used < 0:
            self._has_ended, self._has_failed = True, error < 0
        self._unused = data[max(used, 0) :]
