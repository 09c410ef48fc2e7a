"""Hourly limits that all gateways share. Requests are counted by a JetStream counter, whose ack is the total.

While the broker is away, each gateway counts alone, up to its share of the limit. The metric
`loupe_limits_local_total` shows these requests.
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
    """The state of one limit after a request. `resets_in` is in seconds."""

    limit: int
    remaining: int
    resets_in: int
    is_over: bool

    def headers(self) -> dict[str, str]:
        """Return the headers of IETF draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"hour";q={self.limit};w={HOUR}',
            "RateLimit": f'"hour";r={self.remaining};t={self.resets_in}',
        }


class Limits:
    """`replicas` gateways share every limit while the broker is away."""

    def __init__(self, replicas: int) -> None:
        self._replicas = replicas
        self._nc: Client | None = None
        self._js: JetStreamContext | None = None
        self._stream_replicas = 1
        self._window = 0
        self._places: dict[str, deque[int]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._counted_here: dict[str, int] = {}
        self._broker_failed_at = 0.0

    async def use(self, nc: Client, replicas: int = 1) -> None:
        """Let the broker count from now on, in a stream with that many replicas."""
        js = nc.jetstream()
        await bus.declare(js, STREAM, replicas=replicas)
        self._nc, self._js, self._stream_replicas = nc, js, replicas

    @property
    def is_shared(self) -> bool:
        """True while the broker counts."""
        return self._nc is not None and self._nc.is_connected

    async def count(self, key: str, limit: int, at_once: int = 1) -> Count:
        """Count one request under `key`: the kind of limit, `-`, and letters, digits, `-` or `_`.

        With `at_once` above 1, this gateway reserves that many places at a time and uses them up one by one.
        The limit is never exceeded, because each place is given out only once. Places that another gateway
        reserved and did not use are lost. With 0, the request is not counted.
        """
        seconds = int(time.time())
        window, resets_in = seconds // HOUR, HOUR - seconds % HOUR
        if window != self._window:
            self._window, self._places, self._locks, self._counted_here = window, {}, {}, {}
        place, limit_here = await self._place(f"limits.{key}.{window}", limit, at_once)
        if at_once:
            decisions.labels(key.partition("-")[0], "refused" if place > limit_here else "admitted").inc()
        return Count(limit, max(0, limit_here - place), resets_in, place > limit_here)

    async def _place(self, subject: str, limit: int, at_once: int) -> tuple[int, int]:
        """Return the number of this request within the hour, and the limit that applies to it."""
        if at_once <= 1:
            return await self._count_at_broker(subject, limit, at_once)
        arrived_at = time.monotonic()
        lock = self._locks.setdefault(subject, asyncio.Lock())
        async with lock:  # requests that wait here share what the first reserves
            if reserved := self._places.get(subject):
                return reserved.popleft(), limit
            if self._broker_failed_at > arrived_at:  # another request waited for the broker in vain meanwhile
                return self._count_here(subject, limit, at_once)
            return await self._count_at_broker(subject, limit, at_once)

    async def _count_at_broker(self, subject: str, limit: int, at_once: int) -> tuple[int, int]:
        if self._js and self.is_shared:
            try:
                async with asyncio.timeout(COUNT_SECONDS):
                    total = await _total(self._js, subject, at_once, self._stream_replicas)
            except (nats.errors.Error, TimeoutError):
                self._broker_failed_at = time.monotonic()
            else:
                if at_once > 1:
                    self._places.setdefault(subject, deque()).extend(range(total - at_once + 2, total + 1))
                return total - max(at_once, 1) + 1, limit
        return self._count_here(subject, limit, at_once)

    def _count_here(self, subject: str, limit: int, at_once: int) -> tuple[int, int]:
        more = min(at_once, 1)
        counted_locally.inc(more)
        self._counted_here[subject] = self._counted_here.get(subject, 0) + more
        return self._counted_here[subject], max(1, limit // self._replicas)


async def _total(js: JetStreamContext, subject: str, more: int, replicas: int) -> int:
    """Add to the counter, and return its total. A restarted broker has lost the stream, which is in memory
    only; it is then declared again.
    """
    headers = {"Nats-Incr": str(more)}
    try:
        ack = await js.publish(subject, b"", headers=headers)
    except nats.js.errors.NoStreamResponseError:
        await bus.declare(js, STREAM, replicas=replicas)
        ack = await js.publish(subject, b"", headers=headers)
    return int(ack.val or 0)
