"""Shares of something that several users need at the same time, so that none of them takes all of it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator

from common import errors
from loupe import refusals


class Shares:
    """Counts the places that each user takes, up to `most`. A user is any text. An empty one has no limit."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = Counter[str]()
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def place(self, key: str, seconds: float | None = None) -> AsyncGenerator[None]:
        """Wait until the user has a place left, and take it. Raise `TimeoutError` after these seconds."""
        async with asyncio.timeout(seconds):
            while not self._has_room(key):
                await self._changed.wait()
        self._taken[key] += 1
        try:
            yield
        finally:
            self._give_back(key)

    @contextlib.asynccontextmanager
    async def place_or_refusal(self, key: str, seconds: float) -> AsyncGenerator[None]:
        """Take a place as `place` does. Raise `ResourceExhausted` if none becomes free in these seconds."""
        async with contextlib.AsyncExitStack() as until_end:
            try:
                await until_end.enter_async_context(self.place(key, seconds))
            except TimeoutError as error:
                raise errors.refused_for(1, refusals.TOO_MANY_REQUESTS) from error
            yield

    async def has_room(self, key: str, seconds: float) -> bool:
        """Return whether the user has a place left now, or within these seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._has_room(key):
                    await self._changed.wait()
        return self._has_room(key)

    def _has_room(self, key: str) -> bool:
        return not key or self._taken[key] < self.most

    def _give_back(self, key: str) -> None:
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]
        self._changed.set()
        self._changed = asyncio.Event()
