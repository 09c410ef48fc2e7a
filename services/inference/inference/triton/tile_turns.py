"""Decides whose tile goes to Triton next: users take turns by pixels, however many tiles a picture has.

Of one user's images, the one goes first that would end first if all got the same share. So images of one
size end in the order in which they began, as soon as if they were alone. A small one overtakes a large one.
"""

import asyncio
import contextlib
import heapq
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple


@dataclass(slots=True, eq=False)
class Turn:
    """An image whose tiles take turns."""

    key: str = ""
    """Stands for its user. An empty one waits for no turn."""
    pixels: int = 0
    """Pixels of the original, all pictures together."""
    place: tuple[int, int] | None = None
    """The pixels of all tiles until its end, if all images get the same share, and a number. None before its
    first tile. The image with the lowest place is first.
    """


class _Tile(NamedTuple):
    place: tuple[int, int]
    number: int
    """Tiles of one image go in the order in which they came."""
    granted: asyncio.Future[None]
    pixels: int


@dataclass(slots=True)
class _User:
    """The tiles of one user."""

    pixels: float
    """The pixels that the user had so far. Users who were idle count as if they had had as many as others."""
    waiting: list[_Tile] = field(default_factory=list[_Tile])
    """A heap."""


class TileTurns:
    """A semaphore that is fair between users.

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
        self._served = 0
        """The pixels of all tiles so far."""
        self._numbers = count()

    @contextlib.asynccontextmanager
    async def take(self, turn: Turn, pixels: int) -> AsyncGenerator[None]:
        """Hold a slot for a tile of this many pixels while the block runs."""
        await self._acquire(turn, pixels)
        try:
            yield
        finally:
            self._release(turn.key)

    async def _acquire(self, turn: Turn, pixels: int) -> None:
        if turn.place is None:
            turn.place = self._served + turn.pixels, next(self._numbers)
        granted = asyncio.get_running_loop().create_future()
        tile = _Tile(turn.place, next(self._numbers), granted, pixels)
        user = self._users.setdefault(turn.key, _User(self._reached))
        heapq.heappush(user.waiting, tile)
        self._serve()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release(turn.key)
            elif tile in user.waiting:
                user.waiting.remove(tile)
                heapq.heapify(user.waiting)
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
            tile = heapq.heappop(user.waiting)
            if tile.granted.done():  # it was cancelled a moment ago
                continue
            self._reached = max(self._reached, user.pixels)
            user.pixels += tile.pixels
            self._served += tile.pixels
            self._free -= 1
            self._at_triton[key] += 1
            tile.granted.set_result(None)

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
