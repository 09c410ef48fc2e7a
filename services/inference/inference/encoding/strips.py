"""Cuts the rows of a picture into the strips that a file format stores."""

from collections.abc import Iterator

import numpy as np

from inference.picture import Pixels


class Strips:
    """Makes strips of equal height from pieces of any height. Rows that do not fill a strip wait for more."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._waiting: list[Pixels] = []
        self._count = 0

    def push(self, piece: Pixels) -> Iterator[Pixels]:
        """Yield the strips that are full now."""
        self._waiting.append(piece)
        self._count += len(piece)
        if self._count < self._rows:
            return
        together = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        whole = self._count - self._count % self._rows
        self._waiting, self._count = [together[whole:].copy()], self._count - whole
        for top in range(0, whole, self._rows):
            yield together[top : top + self._rows]

    def rest(self) -> Iterator[Pixels]:
        """Yield the last strip, which may have fewer rows than the others."""
        if self._count:
            yield np.concatenate(self._waiting)
        self._waiting, self._count = [], 0
