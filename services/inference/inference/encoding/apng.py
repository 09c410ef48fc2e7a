"""Animated PNG (PNG, third edition, chunks acTL, fcTL and fdAT), written frame by frame.

Of each frame only the part is stored that differs from the frame before, so that one frame is in memory.
"""

import io
import struct
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from imagefile.apng import ANIMATION, COUNTS_FORMAT, FRAME, FRAME_FORMAT, KEEP, REPLACE
from imagefile.png import END, FRAME_PIXELS, PIXELS
from inference.encoding.png import Compressor, bytes_of_row, write_chunk, write_start
from inference.picture import Animation, Header, Pixels

LARGEST = 65_535
"""The largest numerator and denominator of a delay in seconds, and the longest delay."""
MOST_PLAYS = (1 << 31) - 1


class Writer:
    """The still picture is the first frame, unless the original has another one, which is written first."""

    def __init__(self, header: Header, original: Animation) -> None:
        self._header = header
        self._milliseconds = iter(original.milliseconds)
        self._out = io.BytesIO()
        self._sequence = 0
        self._above: Pixels | None = None
        self._has_still = False
        plays = 1 if original.loop is None else min(original.loop, MOST_PLAYS)
        counts = COUNTS_FORMAT.pack(len(original.frames), plays)
        write_start(self._out, header, (ANIMATION, counts))

    def write_hidden(self, rows: Sequence[Pixels]) -> None:
        self._write_pixels(np.concatenate(rows))

    def write_frame(self, rows: Sequence[Pixels]) -> None:
        samples = np.concatenate(rows)
        top, bottom, left, right = 0, len(samples), 0, samples.shape[1]
        if self._above is not None:
            top, bottom, left, right = changed_part(self._above, samples)
        numerator, denominator = delay(next(self._milliseconds))
        area = (right - left, bottom - top, left, top)
        control = FRAME_FORMAT.pack(self._next(), *area, numerator, denominator, KEEP, REPLACE)
        write_chunk(self._out, FRAME, control)
        self._write_pixels(samples[top:bottom, left:right])
        self._above = samples

    def finish(self) -> bytes:
        write_chunk(self._out, END, b"")
        return self._out.getvalue()

    def _write_pixels(self, samples: Pixels) -> None:
        """Write the first picture as the still one, and each other as a frame."""
        compressor = Compressor(bytes_of_row(self._header, samples.shape[1]))
        for data in (*compressor.push(samples), compressor.flush()):
            if self._has_still:
                write_chunk(self._out, FRAME_PIXELS, struct.pack(">I", self._next()) + data)
            else:
                write_chunk(self._out, PIXELS, data)
        self._has_still = True

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1


def changed_part(before: Pixels, after: Pixels) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of the part that differs. It has at least one pixel."""
    differs = (before != after).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return 0, 1, 0, 1
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def delay(milliseconds: float) -> tuple[int, int]:
    """Return a delay in seconds as a fraction of two numbers of 16 bits."""
    seconds = min(milliseconds / 1000, LARGEST)
    fraction = Fraction(seconds).limit_denominator(max(1, int(LARGEST / max(1.0, seconds))))
    return fraction.numerator, fraction.denominator
