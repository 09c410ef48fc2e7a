"""The places of a worker for large images. Small ones are done beside them, and never wait for one."""

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Sequence

from common import messages

JOBS_PER_PLACE = 3
"""The jobs that a worker takes for each place: a large one that is worked on, a large one of the other queue
that waits for the place, and a small one.
"""
HELD_SECONDS = 2.0
"""How long a large job waits here for a place. Then it is given back, because another worker may be idle."""
Preference = Callable[[], Sequence[messages.Consumer]]


class LargePlaces:
    """Counts the large images that are worked on. A free place goes to the most preferred queue."""

    def __init__(self, count: int, preference: Preference, held_seconds: float = HELD_SECONDS) -> None:
        self._free = count
        self._preference = preference
        self._held_seconds = held_seconds
        self._waiting: defaultdict[messages.Consumer, deque[asyncio.Future[None]]] = defaultdict(deque)

    @contextlib.asynccontextmanager
    async def take(self, queue: messages.Consumer) -> AsyncGenerator[None]:
        """Hold a place for a job of this queue during the block. Raise `NoRoom` if none gets free soon."""
        await self._acquire(queue)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, queue: messages.Consumer) -> None:
        if self._free:
            self._free -= 1
            return
        granted = asyncio.get_running_loop().create_future()
        self._waiting[queue].append(granted)
        try:
            async with asyncio.timeout(self._held_seconds):
                await granted
        except BaseException as error:
            if granted.done() and not granted.cancelled():
                self._release()
            elif granted in self._waiting[queue]:
                self._waiting[queue].remove(granted)
            if isinstance(error, TimeoutError):
                raise messages.NoRoom from None
            raise

    def _release(self) -> None:
        for queue in self._preference():
            while self._waiting[queue]:
                granted = self._waiting[queue].popleft()
                if not granted.done():  # else it was cancelled a moment ago
                    granted.set_result(None)
                    return
        self._free += 1
