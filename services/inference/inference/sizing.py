"""How a picture of one aspect ratio fills a result of another, as CSS's `object-fit` names it.

`stretch` takes both sides as they are, `cover` cuts off what is too much, `contain` leaves a border:
transparent where the format can be, else white.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from inference.picture import Header, Pixels, Size

Fit = Literal["stretch", "cover", "contain"]
Write = Callable[[Pixels], None]


@dataclass(frozen=True, slots=True)
class Placement:
    inner: Size
    """What the picture is resampled to."""
    left: int
    top: int
    """Where it begins in the result; negative where that much of it is cut off."""


def placed(source: Size, target: Size, fit: Fit) -> Placement:
    """In the middle; halves of a pixel go to the left and the top."""
    if fit == "stretch":
        return Placement(target, 0, 0)
    ratios = (target[0] / source[0], target[1] / source[1])
    ratio = max(ratios) if fit == "cover" else min(ratios)
    bound = max if fit == "cover" else min
    width, height = (bound(side, round(length * ratio)) for side, length in zip(target, source, strict=True))
    return Placement((width, height), (target[0] - width) // 2, (target[1] - height) // 2)


class Frame:
    """Takes the rows of the inner picture and writes those of the result, as `header` describes it."""

    def __init__(self, placement: Placement, header: Header, write: Write) -> None:
        self._placement = placement
        self._header = header
        self._write = write
        self._top = placement.top
        self._blank(max(0, self._top))

    def write(self, rows: Pixels) -> None:
        first, last = max(0, -self._top), min(len(rows), self._header.height - self._top)
        self._top += len(rows)
        if first >= last:
            return
        rows = rows[first:last]
        left, width = self._placement.left, self._placement.inner[0]
        if left < 0:
            rows = rows[:, -left : self._header.width - left]
        if left > 0 or width < self._header.width or rows.shape[2] < self._header.channels:
            rows = self._bordered(rows, max(0, left))
        self._write(rows)

    def end(self) -> None:
        self._blank(self._header.height - max(0, self._placement.top) - self._placement.inner[1])

    def _bordered(self, rows: Pixels, left: int) -> Pixels:
        result = self._border(len(rows))
        place = result[:, left : left + rows.shape[1]]
        place[:, :, : rows.shape[2]] = rows
        if rows.shape[2] < self._header.channels:
            place[:, :, -1] = np.iinfo(rows.dtype).max
        return result

    def _border(self, height: int) -> Pixels:
        """White; transparent where there is an alpha channel."""
        dtype = np.uint16 if self._header.depth == 16 else np.uint8
        shape = (height, self._header.width, self._header.channels)
        border = np.full(shape, np.iinfo(dtype).max, dtype)
        if self._header.has_alpha:
            border[:, :, -1] = 0
        return border

    def _blank(self, height: int) -> None:
        if height > 0:
            self._write(self._border(height))
