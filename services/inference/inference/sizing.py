"""Fits a picture into a result with another aspect ratio, in the terms of CSS's `object-fit`.

`stretch` takes both sides as they are, `cover` cuts off what is too much, and `contain` leaves a border. The
border is transparent if the format has an alpha channel, else white.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from inference.picture import Header, Pixels, Size

Fit = Literal["stretch", "cover", "contain"]
WriteRows = Callable[[Pixels], None]
"""Takes the next rows, height x width x channels with alpha last. It is called in a thread."""


@dataclass(frozen=True, slots=True)
class Placement:
    inner: Size
    """The size that the picture is resampled to."""
    left: int
    """The column of the result in which the picture begins. Negative: that many of its columns are cut off.
    """
    top: int
    """The row of the result in which the picture begins. Negative: that many of its rows are cut off."""


def place(source: Size, target: Size, fit: Fit) -> Placement:
    """Return where the picture goes: in the middle. Odd pixels go to the right and the bottom."""
    if fit == "stretch":
        return Placement(target, 0, 0)
    ratios = (target[0] / source[0], target[1] / source[1])
    ratio = max(ratios) if fit == "cover" else min(ratios)
    bound = max if fit == "cover" else min
    sides = zip(target, source, strict=True)
    width, height = (bound(side, max(1, round(length * ratio))) for side, length in sides)
    return Placement((width, height), (target[0] - width) // 2, (target[1] - height) // 2)


class PlacementWriter:
    """Takes the rows of the resampled picture, cuts or borders them, and writes the rows of the result.

    `header` describes the result.
    """

    def __init__(self, placement: Placement, header: Header, write: WriteRows) -> None:
        self._placement = placement
        self._header = header
        self._write = write
        self._top = placement.top
        self._write_border(max(0, self._top))

    def write(self, rows: Pixels) -> None:
        """Take the next rows of the resampled picture, height x width x channels."""
        first, last = max(0, -self._top), min(len(rows), self._header.height - self._top)
        self._top += len(rows)
        if first >= last:
            return
        rows = rows[first:last]
        left, width = self._placement.left, self._placement.inner[0]
        if left < 0:
            rows = rows[:, -left : self._header.width - left]
        if left > 0 or width < self._header.width or rows.shape[2] < self._header.channels:
            rows = self._add_borders(rows, max(0, left))
        self._write(rows)

    def end(self) -> None:
        """Write the border below the picture."""
        self._write_border(self._header.height - max(0, self._placement.top) - self._placement.inner[1])

    def _add_borders(self, rows: Pixels, left: int) -> Pixels:
        result = self._border(len(rows))
        inner = result[:, left : left + rows.shape[1]]
        inner[:, :, : rows.shape[2]] = rows
        if rows.shape[2] < self._header.channels:
            inner[:, :, -1] = np.iinfo(rows.dtype).max
        return result

    def _border(self, height: int) -> Pixels:
        """Return rows that are white, and transparent if there is an alpha channel."""
        dtype = np.uint16 if self._header.depth == 16 else np.uint8
        shape = (height, self._header.width, self._header.channels)
        border = np.full(shape, np.iinfo(dtype).max, dtype)
        if self._header.has_alpha:
            border[:, :, -1] = 0
        return border

    def _write_border(self, height: int) -> None:
        if height > 0:
            self._write(self._border(height))
