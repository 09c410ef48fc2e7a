"""Decides whose tile goes to Triton next: users take turns by pixels, however many tiles a picture has."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field


@dataclass(slots=True)
class _User:
    """The tiles of one user."""

    pixels: float
    """The pixels that the user had so far. Users who were idle count as if they had had as many as others."""
    waiting: deque[tuple[asyncio.Future[None], int]] = field(
        default_factory=deque[tuple[asyncio.Future[None], int]]
    )


class TileTurns:
    """A semaphore that is fair between keys. A key stands for a user; an empty one waits for no turn.

    A user with a tile at Triton leaves the last free slot to others. So another user's tile waits for one
    tile at most, and not for a second one that queues at Triton.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._reserved = 1 if slots > 1 else 0
        self._at_triton = Counter[str]()
        self._users: dict[str, _User] = {}
        self._reached = 0.0
        """The pixels of the user who was served last, before the tile."""

    @contextlib.asynccontextmanager
    async def take(self, key: str, pixels: int) -> AsyncGenerator[None]:
        """Hold a slot for a tile of this many pixels while the block runs."""
        await self._acquire(key, pixels)
        try:
            yield
        finally:
            self._release(key)

    async def _acquire(self, key: str, pixels: int) -> None:
        granted = asyncio.get_running_loop().create_future()
        user = self._users.setdefault(key, _User(self._reached))
        user.waiting.append((granted, pixels))
        self._serve()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release(key)
            elif (granted, pixels) in user.waiting:
                user.waiting.remove((granted, pixels))
                self._forget_idle()
            raise

    def _release(self, key: str) -> None:
        self._free += 1
        self._at_triton[key] -= 1
        self._serve()
        self._forget_idle()

    def _serve(self) -> None:
        """Give free slots to the users who had the fewest pixels."""
        while (key := self._next()) is not None:
            user = self._users[key]
            granted, pixels = user.waiting.popleft()
            if granted.done():  # it was cancelled a moment ago
                continue
            self._reached = max(self._reached, user.pixels)
            user.pixels += pixels
            self._free -= 1
            self._at_triton[key] += 1
            granted.set_result(None)

    def _next(self) -> str | None:
        ready = [key for key, user in self._users.items() if user.waiting and self._may_take(key)]
        return min(ready, key=lambda key: (bool(key), self._users[key].pixels), default=None)

    def _may_take(self, key: str) -> bool:
        return self._free > (self._reserved if key and self._at_triton[key] else 0)

    def _forget_idle(self) -> None:
        """Forget users without tiles who had no more than others, and everybody if no tile is left."""
        idle = [key for key, user in self._users.items() if not (user.waiting or self._at_triton[key])]
        is_last = len(idle) == len(self._users)
        for key in idle:
            if is_last or self._users[key].pixels <= self._reached:
                del self._users[key], self._at_triton[key]
        if is_last:
            self._reached = 0.0
