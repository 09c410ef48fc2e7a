"""Hourly limits, exact over all gateways: each request is one publish to a JetStream counter, whose ack is
the total.

Without the broker each gateway counts its own share of the limit; `loupe_limits_local_total` says so.
"""

import asyncio
import time
from dataclasses import dataclass

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from prometheus_client import Counter

from common import bus

HOUR = 3600
COUNT_SECONDS = 1.0
LOCAL_KEYS = 100_000
ONE_MORE = {"Nats-Incr": "1"}
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
        self._local: dict[str, int] = {}

    async def use(self, nc: Client) -> None:
        js = nc.jetstream()
        await bus.declare(js, STREAM)
        self._nc, self._js = nc, js

    async def count(self, key: str, limit: int) -> Count:
        """Counts one request under `key`, which is made of letters, digits, `-` and `_`."""
        seconds = int(time.time())
        window, resets_in = seconds // HOUR, HOUR - seconds % HOUR
        used, limit_here = await self._add(f"limits.{key}.{window}", limit)
        return Count(limit, max(0, limit_here - used), resets_in, used > limit_here)

    async def _add(self, subject: str, limit: int) -> tuple[int, int]:
        if self._nc and self._js and self._nc.is_connected:
            try:
                async with asyncio.timeout(COUNT_SECONDS):
                    return await _total(self._js, subject), limit
            except (nats.errors.Error, TimeoutError):
                pass
        return self._add_locally(subject), max(1, limit // self._replicas)

    def _add_locally(self, subject: str) -> int:
        counted_locally.inc()
        if len(self._local) >= LOCAL_KEYS:
            self._local.clear()
        self._local[subject] = self._local.get(subject, 0) + 1
        return self._local[subject]


async def _total(js: JetStreamContext, subject: str) -> int:
    """The stream is in memory only: a broker that started anew has none until somebody declares it."""
    try:
        ack = await js.publish(subject, b"", headers=ONE_MORE)
    except nats.js.errors.NoStreamResponseError:
        await bus.declare(js, STREAM)
        ack = await js.publish(subject, b"", headers=ONE_MORE)
    return int(ack.val or 0)
