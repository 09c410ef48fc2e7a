"""Reads the queue in its own transaction, and caches it for about a second, but more briefly for new uploads.

Reading a longer queue takes longer. So the time that a reading stays valid grows with the time that it took.
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
READ_AGAIN_FOR_UPLOADS_SECONDS = 0.1
"""An estimate for a new image must not count the image that has just finished."""
SHARE_OF_TIME = 0.05
"""The largest share of time that may be spent on reading the queue."""
LONGEST_CACHED_SECONDS = 30.0
"""Limit for the age of a reading, so that one slow reading does not make estimates very old."""


class CachedRead(Generic[Read]):
    """A value that is read seldom, for any number of callers."""

    def __init__(self, read: Callable[[], Awaitable[Read]]) -> None:
        self._read = read
        self._value: Read | None = None
        self._read_at = self._read_seconds = 0.0
        self._reading = asyncio.Lock()

    async def get(self, seconds: float) -> Read:
        """Return the cached value if it is not older than that, or read it. Raise what `read` raises.

        It may be older if reading takes long.
        """
        async with self._reading:
            started = time.monotonic()
            valid_seconds = min(self._read_seconds / SHARE_OF_TIME, LONGEST_CACHED_SECONDS)
            valid_seconds = max(seconds, valid_seconds)
            if self._value is None or started - self._read_at >= valid_seconds:
                self._value = await self._read()
                self._read_at = time.monotonic()
                self._read_seconds = self._read_at - started
            return self._value


class QueueEstimator:
    """Shares one cached reading of the queue among all calls of this process."""

    def __init__(self, sessions: Sessions, cold_start: timedelta) -> None:
        self._sessions = sessions
        self._cold_start = cold_start
        self._queue = CachedRead(self._read_queue)

    async def queue(self) -> queue_estimate.Queue:
        return await self._queue.get(READ_AGAIN_SECONDS)

    async def queue_for_uploads(self) -> queue_estimate.Queue:
        return await self._queue.get(READ_AGAIN_FOR_UPLOADS_SECONDS)

    async def _read_queue(self) -> queue_estimate.Queue:
        async with self._sessions.begin() as session:
            return await queue_estimate.read(session, self._cold_start)
