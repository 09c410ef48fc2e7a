"""Measures how fast this worker is, while it has work: in all, and for each kind of work.

Jobs that run at the same time share that time. A job's share is a fixed part and a part that grows with its
pixels. Small jobs show the fixed part, large ones the speed. Both are medians of the last jobs,
because some jobs take many times longer: those in which the fallback network replaces most of the result.
"""

import contextlib
import math
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial

TIME_CONSTANT_SECONDS = 300.0
"""The time constant of the averages: work that was done this many working seconds ago has a weight of 1/e."""
SMALL_MEGAPIXELS = 1.0
"""A job with less network output is small: its fixed part is most of its time."""
LARGEST_FIXED_SHARE = 0.8
"""At most this part of a large job's time counts as its fixed part."""
LAST_JOBS = 9
"""How many jobs of a kind count. As long as most of them are usual, the others have no effect."""
LEAST_NETWORK_SHARE = 0.5
"""If networks wrote less of the expected pixels, the job shows no speed: its picture has one colour or is
pixel art, or its frames repeat.
"""


@dataclass(slots=True, eq=False)
class Share:
    """One job's share of the working time."""

    seconds: float = 0.0


class Throughput:
    """The speed of all jobs together is an exponentially decaying average over the time with jobs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._updated_at = clock()
        self._running: list[Share] = []
        self._megapixels = self._seconds = 0.0
        """The megapixels of all results, and the seconds with jobs. Both decay."""
        self._by_kind = defaultdict[str, deque[float]](partial(deque, maxlen=LAST_JOBS))
        """Seconds per megapixel of the last jobs of each kind."""
        self._fixed_seconds = deque[float](maxlen=LAST_JOBS)
        """The fixed part of the last small jobs."""

    @property
    def megapixels_per_second(self) -> float | None:
        """Megapixels of results per second of all jobs together, or None before the first result."""
        self._update()
        return self._megapixels / self._seconds if self._megapixels else None

    @property
    def speeds(self) -> Mapping[str, float]:
        """Megapixels of network output per second, by kind of work, for the kinds that were measured."""
        medians = {kind: statistics.median_low(each) for kind, each in self._by_kind.items()}
        return {kind: 1 / seconds for kind, seconds in medians.items() if seconds}

    @property
    def seconds_per_job(self) -> float | None:
        """The fixed part of a job's time, or None before the first small job."""
        return statistics.median_low(self._fixed_seconds) if self._fixed_seconds else None

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

    def add_result(
        self,
        share: Share,
        pixels: int,
        kind: str = "",
        megapixels: float = 0.0,
        written: float | None = None,
    ) -> None:
        """Count a result. `pixels` are those of the result.

        `megapixels` are those that networks were expected to write, and `written` those that they did write.
        None stands for a model without networks. An order of the previous release has no kind. It counts only
        among all jobs.
        """
        self._update()
        self._megapixels += pixels / 1e6
        if not kind or (written is not None and written < LEAST_NETWORK_SHARE * megapixels):
            return
        if megapixels < SMALL_MEGAPIXELS:
            speed = self.speeds.get(kind)
            by_pixels = megapixels / speed if speed else 0.0
            self._fixed_seconds.append(max(0.0, share.seconds - by_pixels))
        else:
            fixed = min(self.seconds_per_job or 0.0, LARGEST_FIXED_SHARE * share.seconds)
            self._by_kind[kind].append((share.seconds - fixed) / megapixels)

    def _update(self) -> None:
        """Add the time since the last update as working time, if there are jobs, and let older work decay."""
        now = self._clock()
        elapsed, self._updated_at = now - self._updated_at, now
        if not self._running:
            return
        decay = math.exp(-elapsed / TIME_CONSTANT_SECONDS)
        self._megapixels *= decay
        self._seconds = self._seconds * decay + TIME_CONSTANT_SECONDS * (1 - decay)
        for share in self._running:
            share.seconds += elapsed / len(self._running)
