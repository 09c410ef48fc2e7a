"""Hourly limits that all gateways share. Requests are counted by a JetStream counter, whose ack is the total.

While the broker is unavailable, each gateway counts by itself, up to its share of the limit. The metric
`loupe_limits_local_total` counts these requests.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, replace

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
    place: "Place | None" = None
    """The place that the request has taken. None if nothing was counted."""

    def headers(self) -> dict[str, str]:
        """Return the headers of IETF draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"hour";q={self.limit};w={HOUR}',
            "RateLimit": f'"hour";r={self.remaining};t={self.resets_in}',
        }


@dataclass(frozen=True, slots=True)
class Place:
    """One request's place in a limit, so that it can be given back."""

    subject: str
    number: int
    is_local: bool = False
    is_reserved: bool = False
    """Whether this gateway had reserved it with others, so that it can use it for another request."""


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
        await bus.create(js, STREAM, replicas=replicas)
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
        place = await self._take_place(f"limits.{key}.{window}", reserve)
        over = place.number - self._applied_limit(limit, place)
        if reserve:
            decisions.labels(key.partition("-")[0], "refused" if over > 0 else "admitted").inc()
        taken = place if reserve else None
        return Count(limit, max(0, -over), resets_in, over > 0, is_first_over=over == 1, place=taken)

    async def give_back(self, count: Count) -> Count:
        """Return the count without this request, which could not be served for a reason of ours.

        If the broker does not answer now, the request stays counted.
        """
        place = count.place
        if place is None or self._hour_of(place.subject) != self._window:
            return count
        number = place.number - 1
        if place.is_local:
            self._local_counts[place.subject] -= 1
        elif place.is_reserved:
            self._reserved_places.setdefault(place.subject, deque()).appendleft(place.number)
        else:
            total = await self._add(place.subject, -1)
            if total is not None and total < 0:  # the broker had lost the count with this request
                total = await self._add(place.subject, -total)
            if total is None:
                return count
            number = total
        over = number - self._applied_limit(count.limit, place)
        return replace(count, remaining=max(0, -over), is_over=over > 0, place=None)

    def _applied_limit(self, limit: int, place: Place) -> int:
        """Return the limit, or this gateway's share of it if it counts by itself."""
        return max(1, limit // self._replicas) if place.is_local else limit

    def _hour_of(self, subject: str) -> int:
        return int(subject.rpartition(".")[2])

    async def _take_place(self, subject: str, reserve: int) -> Place:
        """Return the place of this request within the hour."""
        if reserve <= 1:
            return await self._count_at_broker(subject, reserve)
        arrived_at = time.monotonic()
        lock = self._locks.setdefault(subject, asyncio.Lock())
        async with lock:  # requests that wait here share what the first reserves
            if reserved := self._reserved_places.get(subject):
                return Place(subject, reserved.popleft(), is_reserved=True)
            if self._broker_failed_at > arrived_at:  # while this request waited for the lock
                return self._count_locally(subject, reserve)
            return await self._count_at_broker(subject, reserve)

    async def _count_at_broker(self, subject: str, reserve: int) -> Place:
        """Count at the broker, or locally if it does not answer."""
        total = await self._add(subject, reserve)
        if total is None:
            return self._count_locally(subject, reserve)
        if reserve > 1:
            places = self._reserved_places.setdefault(subject, deque())
            places.extend(range(total - reserve + 2, total + 1))
        return Place(subject, total - max(reserve, 1) + 1, is_reserved=reserve > 1)

    async def _add(self, subject: str, added: int) -> int | None:
        """Add to the count at the broker. Return its total, or None if the broker does not answer."""
        if not (self._js and self.counts_at_broker):
            return None
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                return await _add_at_broker(self._js, subject, added, self._stream_replicas)
        except (nats.errors.Error, TimeoutError):
            self._broker_failed_at = time.monotonic()
            return None

    def _count_locally(self, subject: str, reserve: int) -> Place:
        added = min(reserve, 1)
        counted_locally.inc(added)
        self._local_counts[subject] = self._local_counts.get(subject, 0) + added
        return Place(subject, self._local_counts[subject], is_local=True)


async def _add_at_broker(js: JetStreamContext, subject: str, added: int, replicas: int) -> int:
    """Add to the counter, and return its total.

    The stream is only in memory. If a restarted broker has lost it, create it again.
    """
    headers = {"Nats-Incr": str(added)}
    try:
        ack = await js.publish(subject, b"", headers=headers)
    except nats.js.errors.NoStreamResponseError:
        await bus.create(js, STREAM, replicas=replicas)
        ack = await js.publish(subject, b"", headers=headers)
    return int(ack.val or 0)
