"""Follows the stream CLIENT_EVENTS, once for the whole process, and misses no event.

The broker passes each event on as it is published, which only wakes the reader. The reader then reads the
stream, from the event after the last one. So nothing is lost with the connection. It has no consumer at the
broker: whoever may create one chooses the subject to which the broker publishes.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from common import log
from common.repeated import Repeated
from gateway.events.position import Position
from loupe.contract import PASSING_EVENTS
from loupe.images.v1 import images_pb2 as pb

REPEATED = Repeated(log.get(__name__))
STREAM = "CLIENT_EVENTS"
RETRY_SECONDS = 0.5
LOOK_SECONDS = 2.0
"""Time between two looks at the stream while no event is heard."""
SOON_SECONDS = 0.02
"""An event may be heard before the stream has it. Then the next look is so soon, for `SOON_LOOKS` times."""
SOON_LOOKS = 25
MICROSECOND = timedelta(microseconds=1)

OnEvent = Callable[[pb.ClientEvent, Position | None], None]
"""Gets each event. Progress has no position."""


class Range(NamedTuple):
    """The oldest and the newest position that the stream holds now."""

    first: Position
    """The oldest event, or the next one if the stream is empty."""
    last: Position

    def can_continue(self, position: Position) -> bool:
        """Return whether the stream has every event after this position."""
        is_known = position.birth == self.last.birth and position.sequence <= self.last.sequence
        return is_known and position.sequence + 1 >= self.first.sequence


class Follower:
    def __init__(self, on_event: OnEvent, on_loss: Callable[[], None]) -> None:
        """`on_loss` is called after events were lost for good, with `position` behind them."""
        self._on_event = on_event
        self._on_loss = on_loss
        self._js: JetStreamContext | None = None
        self._heard = asyncio.Event()
        self.position: Position | None = None
        """The last event that was received. None until the stream was found."""

    async def follow(self, nc: Client) -> None:
        """Receive events until cancelled."""
        self._js = nc.jetstream()
        await nc.subscribe("events.>", cb=self._on_heard)
        while True:
            try:
                await self._read_on(self._js)
            except (nats.errors.Error, OSError) as error:
                text = log.error_text(error)
                action = f"who waits hears of it later, next attempt in {RETRY_SECONDS} s"
                REPEATED.warning("no events for clients received", error=text, action=action)
            await asyncio.sleep(RETRY_SECONDS)

    async def range(self) -> Range:
        """Return what the stream holds now. Raise `nats.errors.Error` if the broker does not answer."""
        if not self._js:
            raise nats.errors.NoServersError
        info = await self._js.stream_info(STREAM)
        birth = int(info.created.timestamp() * 1e6) if info.created else 0
        last = Position(birth, info.state.last_seq)
        first = info.state.first_seq if info.state.messages else last.sequence + 1
        return Range(last.at(first), last)

    async def read_next(self, user_id: int, sequence: int) -> tuple[int, pb.ClientEvent] | None:
        """Return the user's next event after this sequence number, with its own, or None if there is none."""
        if not self._js:
            raise nats.errors.NoServersError
        try:
            found = await self._js.get_msg(STREAM, sequence + 1, f"events.{user_id}.>", next=True)
        except NotFoundError:
            return None
        return found.seq or 0, pb.ClientEvent.FromString(found.data or b"")

    async def _read_on(self, js: JetStreamContext) -> None:
        """Read the stream from the last event on, until the broker does not answer."""
        looks_left = 0
        while True:
            if not looks_left:
                await self._find_position()
            self._heard.clear()
            has_read = await self._read_all(js)
            looks_left = 0 if has_read else max(0, looks_left - 1)
            if self._heard.is_set() and not has_read:
                looks_left = SOON_LOOKS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SOON_SECONDS if looks_left else LOOK_SECONDS):
                    await self._heard.wait()

    async def _read_all(self, js: JetStreamContext) -> bool:
        """Read until the stream has no further event. Return whether there was one."""
        has_read = False
        while self.position:
            try:
                found = await js.get_msg(STREAM, self.position.sequence + 1, "events.>", next=True)
            except NotFoundError:
                break
            sequence = found.seq or 0
            if sequence != self.position.sequence + 1:  # the stream has dropped events that are too old
                self.position = self.position.at(sequence - 1)
                self._on_loss()
            self._receive(sequence, found.data or b"")
            has_read = True
        return has_read

    async def _find_position(self) -> None:
        """Go to the end of the stream at the start, and if it no longer has what comes next."""
        held = await self.range()
        if self.position is None:
            self.position = held.last
        elif not held.can_continue(self.position):
            self.position = held.last
            self._on_loss()

    async def _on_heard(self, message: Msg) -> None:
        if any(message.subject.endswith(f".{kind}") for kind in PASSING_EVENTS):
            self._on_event(pb.ClientEvent.FromString(message.data), None)
        else:
            self._heard.set()

    def _receive(self, sequence: int, data: bytes) -> None:
        """Take the next event of the stream."""
        if self.position:
            self.position = self.position.at(sequence)
            self._on_event(pb.ClientEvent.FromString(data), self.position)
