"""Hourly limits that all gateways share. Requests are counted by a JetStream counter, whose ack is the total.

While the broker is unavailable, each gateway counts by itself, up to its share of the limit. The metric
`loupe_limits_local_total` counts these requests.
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
    is_first_over: bool = False
    """Whether this is the first request of the hour that the limit refuses."""

    def headers(self) -> dict[str, str]:
        """Return the headers of IETF draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"hour";q={self.limit};w={HOUR}',
            "RateLimit": f'"hour";r={self.remaining};t={self.resets_in}',
        }


class Limits:
    """Counts requests. Without the broker, each of `replicas` gateways has an equal share of a limit."""

    def __init__(self, replicas: int) -> None:
        self._replicas = replicas
        self._nc: Client | None = None
        self._js: JetStreamContext | None = None
        self._stream_replicas = 1
        self._window = 0
        """The present hour, counted from 1970. A new hour clears all counts."""
        self._reserved_places: dict[str, deque[int]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._local_counts: dict[str, int] = {}
        self._broker_failed_at = 0.0

    async def use_broker(self, nc: Client, replicas: int = 1) -> None:
        """Count at the broker from now on, in a stream with this number of replicas."""
        js = nc.jetstream()
        await bus.declare(js, STREAM, replicas=replicas)
        self._nc, self._js, self._stream_replicas = nc, js, replicas

    @property
    def counts_at_broker(self) -> bool:
        """True while the broker counts, false while this gateway counts by itself."""
        return self._nc is not None and self._nc.is_connected

    async def count(self, key: str, limit: int, reserve: int = 1) -> Count:
        """Count one request under `key`, such as `user-42` or `address-7f000001`.

        The text before the first `-` is the kind of limit.

        With `reserve` above 1, this gateway reserves that many places at a time and uses them up one by one.
        The limit is never exceeded, because each place is used only once. Places that a gateway reserved and
        did not use are lost. With 0, nothing is counted, and the result is the present state.
        """
        seconds = int(time.time())
        window, resets_in = seconds // HOUR, HOUR - seconds % HOUR
        if window != self._window:
            self._window, self._reserved_places, self._locks, self._local_counts = window, {}, {}, {}
        place, applied_limit = await self._take_place(f"limits.{key}.{window}", limit, reserve)
        if reserve:
            decisions.labels(key.partition("-")[0], "refused" if place > applied_limit else "admitted").inc()
        over = place - applied_limit
        return Count(limit, max(0, -over), resets_in, over > 0, is_first_over=over == 1)

    async def _take_place(self, subject: str, limit: int, reserve: int) -> tuple[int, int]:
        """Return the number of this request within the hour, and the limit that applies to it."""
        if reserve <= 1:
            return await self._count_at_broker(subject, limit, reserve)
        arrived_at = time.monotonic()
        lock = self._locks.setdefault(subject, asyncio.Lock())
        async with lock:  # requests that wait here share what the first reserves
            if reserved := self._reserved_places.get(subject):
                return reserved.popleft(), limit
            if self._broker_failed_at > arrived_at:  # while this request waited for the lock
                return self._count_locally(subject, limit, reserve)
            return await self._count_at_broker(subject, limit, reserve)

    async def _count_at_broker(self, subject: str, limit: int, reserve: int) -> tuple[int, int]:
        """Count at the broker, or locally if it does not answer."""
        if self._js and self.counts_at_broker:
            try:
                async with asyncio.timeout(COUNT_SECONDS):
                    total = await _add_at_broker(self._js, subject, reserve, self._stream_replicas)
            except (nats.errors.Error, TimeoutError):
                self._broker_failed_at = time.monotonic()
            else:
                if reserve > 1:
                    self._reserved_places.setdefault(subject, deque()).extend(
                        range(total - reserve + 2, total + 1)
                    )
                return total - max(reserve, 1) + 1, limit
        return self._count_locally(subject, limit, reserve)

    def _count_locally(self, subject: str, limit: int, reserve: int) -> tuple[int, int]:
        added = min(reserve, 1)
        counted_locally.inc(added)
        self._local_counts[subject] = self._local_counts.get(subject, 0) + added
        return self._local_counts[subject], max(1, limit // self._replicas)


async def _add_at_broker(js: JetStreamContext, subject: str, added: int, replicas: int) -> int:
    """Add to the counter, and return its total.

    The stream is only in memory. If a restarted broker has lost it, declare it again.
    """
    headers = {"Nats-Incr": str(added)}
    try:
        ack = await js.publish(subject, b"", headers=headers)
    except nats.js.errors.NoStreamResponseError:
        await bus.declare(js, STREAM, replicas=replicas)
        ack = await js.publish(subject, b"", headers=headers)
    return int(ack.val or 0)
