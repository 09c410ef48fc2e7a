"""One event stream of a client: which event comes next, from the stream of the broker or as it happens.

Memory is bounded: a stream queues a few hundred events. If more happen before the client has read them, it
forgets them and reads them again from the broker, at the client's pace. Only progress is then lost.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

import nats.errors

from common import log
from common.repeated import Repeated
from gateway.events.follower import Follower
from gateway.events.position import Position
from loupe.images.v1 import images_pb2 as pb

REPEATED = Repeated(log.get(__name__))
MOST_QUEUED = 256
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Filter:
    """The choice of events that a client wants. An empty field excludes nothing."""

    types: Collection[str] = ()
    image_id: int | None = None
    batch_id: int | None = None

    def wants(self, event: pb.ClientEvent) -> bool:
        return (
            (not self.types or event.type in self.types)
            and self.image_id in (None, event.image_id)
            and self.batch_id in (None, event.batch_id)
        )


class EventStream:
    def __init__(
        self, follower: Follower, user_id: int, wanted: Filter, position: Position, *, is_behind: bool = False
    ) -> None:
        """`position` is the last event that the client knows. `is_behind`: the broker may have later ones."""
        self.user_id = user_id
        self.position = position
        self._follower = follower
        self._wanted = wanted
        self._queue: deque[tuple[pb.ClientEvent, Position | None]] = deque()
        self._is_behind = is_behind
        self._has_missed = False
        """Whether an event happened that found no place in the queue."""
        self._needs_reset = False
        self._ends = False
        self._woken = asyncio.Event()
        self.must_check_token = False

    def offer(self, event: pb.ClientEvent, position: Position | None) -> None:
        """Queue an event as it happens, if the client wants it."""
        if not self._wanted.wants(event):
            return
        if len(self._queue) < MOST_QUEUED:
            self._queue.append((event, position))
        elif position:
            self._has_missed = True
        self._woken.set()

    def reset(self) -> None:
        """Go on behind the events that were lost. The client gets an event that says so."""
        self._needs_reset = True
        self._woken.set()

    def check_token(self) -> None:
        self.must_check_token = True
        self._woken.set()

    def end(self) -> None:
        self._ends = True
        self._woken.set()

    @property
    def _is_interrupted(self) -> bool:
        """Whether something has to be done before the next event."""
        return self._needs_reset or self._ends or self.must_check_token

    async def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` until something happens. Return whether something happened."""
        if self._is_behind or self._has_missed or self._queue or self._is_interrupted:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        has_happened = self._woken.is_set()
        self._woken.clear()
        if not has_happened and self._follower.position and not self._is_interrupted:
            self.position = self._follower.position  # every event up to here was offered
        return has_happened

    def take_reset(self) -> bool:
        """Return whether the client has to be told of lost events. `position` is then behind them."""
        if not self._needs_reset or not self._follower.position:
            return False
        self.position = self._follower.position
        self._queue.clear()
        self._needs_reset = self._is_behind = self._has_missed = False
        return True

    async def next(self) -> tuple[pb.ClientEvent, Position | None] | None:
        """Return the next event that the client wants, or None if there is none at the moment."""
        while not self._is_interrupted:
            if self._has_missed:
                self._queue.clear()
                self._has_missed, self._is_behind = False, True
            if self._is_behind:
                found = await self._read()
                if found is None:
                    self._is_behind = self._has_missed or self._is_interrupted
                    continue
            else:
                found = self._queue.popleft() if self._queue else None
                if found is None:
                    return None
            if found and self._moves_on(found[1]) and self._wanted.wants(found[0]):
                return found
        return None

    def _moves_on(self, position: Position | None) -> bool:
        """Take this position, and return whether it is a new one. Progress has none."""
        if position is None:
            return True
        if position.birth == self.position.birth and position.sequence <= self.position.sequence:
            return False
        self.position = position
        return True

    async def _read(self) -> tuple[pb.ClientEvent, Position] | None:
        """Return the next event of the broker's stream. While the broker is away, try again each second."""
        while True:
            try:
                found = await self._follower.read_next(self.user_id, self.position.sequence)
            except (nats.errors.Error, OSError) as error:
                text = log.error_text(error)
                REPEATED.warning(
                    "events not read", error=text, action="the client waits, trying again in 1 s"
                )
                await asyncio.sleep(RETRY_SECONDS)
                if self._is_interrupted:
                    return None
            else:
                return (found[1], self.position.at(found[0])) if found else None
