"""Measures how fast this worker is: megapixels of results a second, while it has work."""

import contextlib
import math
import time
from collections.abc import Callable, Generator

TIME_CONSTANT_SECONDS = 300.0
"""The time constant of the average: work that was done this many working seconds ago has a weight of 1/e."""


class Throughput:
    """An exponentially decaying average over the time in which the worker has jobs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._updated_at = clock()
        self._jobs = 0
        self._seconds = 0.0
        self._megapixels = 0.0

    @property
    def megapixels_per_second(self) -> float | None:
        """The throughput of all jobs together, or None before the first result."""
        self._update()
        return self._megapixels / self._seconds if self._megapixels else None

    @contextlib.contextmanager
    def working(self) -> Generator[None]:
        """Count the time of the block as working time. Blocks that run at the same time share it."""
        self._update()
        self._jobs += 1
        try:
            yield
        finally:
            self._update()
            self._jobs -= 1

    def add_result(self, pixels: int) -> None:
        self._megapixels += pixels / 1e6

    def _update(self) -> None:
        """Add the time since the last update as working time, if there are jobs, and let older work decay."""
        now = self._clock()
        if self._jobs:
            decay = math.exp(-(now - self._updated_at) / TIME_CONSTANT_SECONDS)
            self._seconds = self._seconds * decay + TIME_CONSTANT_SECONDS * (1 - decay)
            self._megapixels *= decay
        self._updated_at = now
