"""Gives areas of a picture without colour their brightness back, in rows as they come from a network.

Networks draw fine black and white structures thinner or thicker: a checker of single pixels loses 12 levels,
screentone 5. The correction moves edges, so that black stays black and white stays white.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from inference.picture import Pixels

REACH = 8
"""The brightness is compared in squares that reach this far from each pixel of the original."""
SMALLEST = 0.25 / 255
"""Rows that lack less than this everywhere stay as they are, as nearly all rows of photos do."""
LARGEST = 0.25
"""A network that changes the brightness by more somewhere, of black to white, has failed. No correction mends
that.
"""
PLAIN_WEIGHT = 0.002
"""The weight of black and white. That of grey is up to 0.25."""
Plane = npt.NDArray[np.floating]


class DriftCorrection:
    """Takes rows at the network's scale from the top, and yields them corrected, REACH rows later."""

    def __init__(self, source: Pixels, scale: int) -> None:
        """`source` is the original, height x width x 1."""
        self._source = source
        self._scale = scale
        self._white = np.float32(np.iinfo(source.dtype).max)
        self._native = np.empty((0, source.shape[1] * scale, 1), source.dtype)
        """The rows that are not corrected yet, and before them up to REACH rows that are."""
        self._first = 0
        """The original's row where `_native` begins."""
        self._top = 0
        """The original's row that is corrected next."""

    def push(self, native: Pixels) -> Iterator[Pixels]:
        """Take the next rows, a multiple of the scale. Yield those that are ready."""
        self._native = np.concatenate((self._native, native))
        height = len(self._source)
        known = self._first + len(self._native) // self._scale
        ready = known if known == height else known - REACH
        if ready <= self._top:
            return
        yield self._corrected(self._top, ready)
        self._top = ready
        first = max(0, ready - REACH)
        # corrected rows stay as they were, because the rows below are compared with the network's answer
        self._native = self._native[(first - self._first) * self._scale :].copy()
        self._first = first

    def _corrected(self, top: int, bottom: int) -> Pixels:
        """Return the rows between these rows of the original."""
        scale, end = self._scale, min(len(self._source), bottom + REACH)
        own = slice((top - self._first) * scale, (bottom - self._first) * scale)
        near = slice(top - self._first, bottom - self._first)
        native = self._native[: (end - self._first) * scale, :, 0]
        original = self._source[self._first : end, :, 0] / self._white
        lack = mean_around(original - block_means(native, scale) / self._white)[near]
        if not SMALLEST <= np.abs(lack).max() <= LARGEST:
            return self._native[own]
        unit = native / self._white
        weight = unit * (1 - unit) + np.float32(PLAIN_WEIGHT)
        lift = lack / mean_around(block_means(weight, scale))[near]
        lifted = unit[own] + lift.repeat(scale, axis=0).repeat(scale, axis=1) * weight[own]
        levels = np.rint(lifted.clip(0, 1) * self._white).astype(self._native.dtype)
        return levels[:, :, np.newaxis]


def block_means(plane: Pixels, scale: int) -> Plane:
    """Return the mean of each square of `scale` x `scale` samples."""
    height, width = plane.shape
    blocks = plane.reshape(height // scale, scale, width // scale, scale)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def mean_around(plane: Plane) -> Plane:
    """Return for each sample the mean of those that are at most REACH away in both directions."""
    for axis in (0, 1):
        length = plane.shape[axis]
        places = np.arange(length)
        start, end = np.maximum(0, places - REACH), np.minimum(length, places + REACH + 1)
        sums = np.insert(plane.cumsum(axis=axis, dtype=np.float64), 0, 0, axis=axis)
        totals = sums.take(end, axis=axis) - sums.take(start, axis=axis)
        counts = (end - start).astype(np.float64)
        plane = (totals / (counts[:, np.newaxis] if axis == 0 else counts)).astype(np.float32)
    return plane
