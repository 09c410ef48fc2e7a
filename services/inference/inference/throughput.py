"""How fast this worker is: megapixels of results a second, while it has work."""

import contextlib
import math
import time
from collections.abc import Callable, Generator

MEMORY_SECONDS = 300.0
"""Of work: what is that long ago counts a third."""


class Throughput:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock()
        self._jobs = 0
        self._seconds = 0.0
        self._megapixels = 0.0

    @property
    def megapixels_per_second(self) -> float | None:
        """Of all jobs together; None before the first result."""
        self._go_on()
        return self._megapixels / self._seconds if self._megapixels else None

    @contextlib.contextmanager
    def working(self) -> Generator[None]:
        """Several jobs at a time share its seconds."""
        self._go_on()
        self._jobs += 1
        try:
            yield
        finally:
            self._go_on()
            self._jobs -= 1

    def made(self, pixels: int) -> None:
        self._megapixels += pixels / 1e6

    def _go_on(self) -> None:
        now = self._clock()
        if self._jobs:
            passed = now - self._at
            kept = math.exp(-passed / MEMORY_SECONDS)
            self._seconds = self._seconds * kept + MEMORY_SECONDS * (1 - kept)
            self._megapixels *= kept
        self._at = now
