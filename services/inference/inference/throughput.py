"""Measures how fast this worker is, while it has work: in all, and for each kind of work.

Jobs that run at the same time share that time. A job's share is a fixed part and a part that grows with its
pixels. Small jobs show the fixed part, large ones the speed.
"""

import contextlib
import math
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

TIME_CONSTANT_SECONDS = 300.0
"""The time constant of the averages: work that was done this many working seconds ago has a weight of 1/e."""
SMALL_MEGAPIXELS = 1.0
"""A job with less network output is small: its fixed part is most of its time."""
LARGEST_FIXED_SHARE = 0.8
"""At most this part of a large job's time counts as its fixed part."""


@dataclass(slots=True, eq=False)
class Share:
    """One job's share of the working time."""

    seconds: float = 0.0


@dataclass(slots=True)
class _Average:
    """A decaying sum of amounts, and of the seconds that they took."""

    amount: float = 0.0
    seconds: float = 0.0

    def decay(self, factor: float) -> None:
        self.amount *= factor
        self.seconds *= factor

    def add(self, amount: float, seconds: float) -> None:
        self.amount += amount
        self.seconds += seconds


class Throughput:
    """Exponentially decaying averages over the time in which the worker has jobs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._updated_at = clock()
        self._running: list[Share] = []
        self._all = _Average()
        self._by_kind: dict[str, _Average] = {}
        self._small_jobs = _Average()

    @property
    def megapixels_per_second(self) -> float | None:
        """Megapixels of results per second of all jobs together, or None before the first result."""
        self._update()
        return self._all.amount / self._all.seconds if self._all.amount else None

    @property
    def speeds(self) -> Mapping[str, float]:
        """Megapixels of network output per second, by kind of work, for the kinds that were measured."""
        return {kind: each.amount / each.seconds for kind, each in self._by_kind.items() if each.seconds}

    @property
    def seconds_per_job(self) -> float | None:
        """The fixed part of a job's time, or None before the first small job."""
        jobs = self._small_jobs
        return jobs.seconds / jobs.amount if jobs.amount else None

    @contextlib.contextmanager
    def working(self) -> Generator[Share]:
        """Count the time of the block as working time. Yield the share that this job has in it."""
        self._update()
        share = Share()
        self._running.append(share)
        try:
            yield share
        finally:
            self._update()
            self._running.remove(share)

    def add_result(self, share: Share, pixels: int, kind: str = "", megapixels: float = 0.0) -> None:
        """Count a result. `pixels` are those of the result, `megapixels` those that networks wrote.

        An order of the previous release has no kind. It counts only among all jobs.
        """
        self._update()
        self._all.amount += pixels / 1e6
        if not kind:
            return
        if megapixels < SMALL_MEGAPIXELS:
            speed = self.speeds.get(kind)
            by_pixels = megapixels / speed if speed else 0.0
            self._small_jobs.add(1, max(0.0, share.seconds - by_pixels))
        else:
            fixed = min(self.seconds_per_job or 0.0, LARGEST_FIXED_SHARE * share.seconds)
            self._by_kind.setdefault(kind, _Average()).add(megapixels, share.seconds - fixed)

    def _update(self) -> None:
        """Add the time since the last update as working time, if there are jobs, and let older work decay."""
        now = self._clock()
        elapsed, self._updated_at = now - self._updated_at, now
        if not self._running:
            return
        decay = math.exp(-elapsed / TIME_CONSTANT_SECONDS)
        for average in (self._all, self._small_jobs, *self._by_kind.values()):
            average.decay(decay)
        self._all.seconds += TIME_CONSTANT_SECONDS * (1 - decay)
        for share in self._running:
            share.seconds += elapsed / len(self._running)
