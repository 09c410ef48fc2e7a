"""The queue as callers see it: read in a transaction of its own and cached for about a second.

Reading takes longer the longer the queue is, so the cache's age follows the time that the last reading took.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

from common.db import Sessions
from images.domain import queue_estimate

Read = TypeVar("Read")
READ_AGAIN_SECONDS = 1.0
SHARE_OF_TIME = 0.05
"""The share of time that reading the queue may take at most, however long the queue is."""
LONGEST_CACHED_SECONDS = 30.0
"""Limit for the cache's age, so that one slow reading does not make the estimate old."""


class CachedRead(Generic[Read]):
    """A value that is read at most once a second, however many callers want it."""

    def __init__(self, read: Callable[[], Awaitable[Read]]) -> None:
        self._read = read
        self._value: Read | None = None
        self._read_at = self._took = 0.0
        self._reading = asyncio.Lock()

    async def get(self) -> Read:
        async with self._reading:
            started = time.monotonic()
            good_for = max(READ_AGAIN_SECONDS, min(self._took / SHARE_OF_TIME, LONGEST_CACHED_SECONDS))
            if self._value is None or started - self._read_at >= good_for:
                self._value = await self._read()
                self._read_at = time.monotonic()
                self._took = self._read_at - started
            return self._value


class QueueEstimator:
    """Reads the queue for all callers of this process."""

    def __init__(self, sessions: Sessions, cold_start: timedelta) -> None:
        self._sessions = sessions
        self._cold_start = cold_start
        self._queue = CachedRead(self._read_queue)

    async def queue(self) -> queue_estimate.Queue:
        return await self._queue.get()

    async def _read_queue(self) -> queue_estimate.Queue:
        async with self._sessions.begin() as session:
            return await queue_estimate.read(session, self._cold_start)
