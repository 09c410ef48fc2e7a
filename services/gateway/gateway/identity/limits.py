"""Hourly limits, never passed by all gateways together: places come from a JetStream counter, whose ack is
the total.

Without the broker each gateway counts its own share of the limit; `loupe_limits_local_total` says so.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from prometheus_client import Counter

from common import bus

HOUR = 3600
COUNT_SECONDS = 1.0
STREAM = api.StreamConfig(
    name="LIMITS",
    subjects=["limits.>"],
    storage=api.StorageType.MEMORY,
    max_msgs_per_subject=1,
    max_age=2 * HOUR,
    allow_msg_counter=True,
    allow_direct=True,
)
counted_locally = Counter("loupe_limits_local_total", "Requests counted without the broker")
decisions = Counter("loupe_limit_decisions_total", "Requests counted", ["bucket", "outcome"])


@dataclass(frozen=True, slots=True)
class Count:
    """A window's limit, what is left of it, and the seconds until it starts anew."""

    limit: int
    remaining: int
    resets_in: int
    is_over: bool

    def headers(self) -> dict[str, str]:
        """IETF draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"hour";q={self.limit};w={HOUR}',
            "RateLimit": f'"hour";r={self.remaining};t={self.resets_in}',
        }


class Limits:
    def __init__(self, replicas: int) -> None:
        self._replicas = replicas
        self._nc: Client | None = None
        self._js: JetStreamContext | None = None
        self._held_by = 1
        self._window = 0
        self._places: dict[str, deque[int]] = {}
        self._taking: dict[str, asyncio.Lock] = {}
        self._local: dict[str, int] = {}
        self._missed_at = 0.0

    async def use(self, nc: Client, replicas: int = 1) -> None:
        """From now on the broker counts, on a stream that so many servers hold."""
        js = nc.jetstream()
        await bus.declare(js, STREAM, replicas=replicas)
        self._nc, self._js, self._held_by = nc, js, replicas

    @property
    def is_shared(self) -> bool:
        """Whether the broker counts."""
        return self._nc is not None and self._nc.is_connected

    async def count(self, key: str, limit: int, at_once: int = 1) -> Count:
        """Counts one request under `key`: the kind of limit, `-`, and letters, digits, `-` or `_`.

        With `at_once` the broker is asked for so many places at a time, which then are used up here. Places
        are given out once, so the limit is never passed; those that another gateway holds unused come short
        of it. With none at once, this one is not counted.
        """
        seconds = int(time.time())
        window, resets_in = seconds // HOUR, HOUR - seconds % HOUR
        if window != self._window:
            self._window, self._places, self._taking, self._local = window, {}, {}, {}
        place, limit_here = await self._place(f"limits.{key}.{window}", limit, at_once)
        if at_once:
            decisions.labels(key.partition("-")[0], "refused" if place > limit_here else "admitted").inc()
        return Count(limit, max(0, limit_here - place), resets_in, place > limit_here)

    async def _place(self, subject: str, limit: int, at_once: int) -> tuple[int, int]:
        """Which request of the hour this one is, and the limit that it has to keep within."""
        if at_once <= 1:
            return await self._take(subject, limit, at_once)
        came_at = time.monotonic()
        async with self._taking.setdefault(subject, asyncio.Lock()):  # many at once share what one takes
            if held := self._places.get(subject):
                return held.popleft(), limit
            if self._missed_at > came_at:  # one has waited for the broker in vain, and that is enough
                return self._locally(subject, limit, at_once)
            return await self._take(subject, limit, at_once)

    async def _take(self, subject: str, limit: int, at_once: int) -> tuple[int, int]:
        if self._js and self.is_shared:
            try:
                async with asyncio.timeout(COUNT_SECONDS):
                    total = await _total(self._js, subject, at_once, self._held_by)
            except (nats.errors.Error, TimeoutError):
                self._missed_at = time.monotonic()
            else:
                if at_once > 1:
                    self._places.setdefault(subject, deque()).extend(range(total - at_once + 2, total + 1))
                return total - max(at_once, 1) + 1, limit
        return self._locally(subject, limit, at_once)

    def _locally(self, subject: str, limit: int, at_once: int) -> tuple[int, int]:
        more = min(at_once, 1)
        counted_locally.inc(more)
        self._local[subject] = self._local.get(subject, 0) + more
        return self._local[subject], max(1, limit // self._replicas)


async def _total(js: JetStreamContext, subject: str, more: int, replicas: int) -> int:
    """The stream is in memory only: a broker that started anew has none until somebody declares it."""
    headers = {"Nats-Incr": str(more)}
    try:
        ack = await js.publish(subject, b"", headers=headers)
    except nats.js.errors.NoStreamResponseError:
        await bus.declare(js, STREAM, replicas=replicas)
        ack = await js.publish(subject, b"", headers=headers)
    return int(ack.val or 0)
