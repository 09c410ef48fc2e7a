"""Follows the stream CLIENT_EVENTS, once for the whole process, and misses no event.

The broker passes each event on as it is published, which wakes its waiting requests. If clients have event
streams, the event is then read from the stream, which knows its position. Every two seconds all events after
the last one are read, so nothing is lost with the connection. While nobody waits or listens, nothing is read.
There is no consumer at the broker: a client that may create one chooses the subject to which it publishes.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple, Protocol

import nats.errors
from google.protobuf.message import DecodeError
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from common import log, messages
from common.repeated import Repeated
from gateway.events.position import Position
from loupe.contract import PASSING_EVENTS
from loupe.images.v1 import images_pb2 as pb

REPEATED = Repeated(log.get(__name__))
STREAM = "CLIENT_EVENTS"
RETRY_SECONDS = 0.5
LOOK_SECONDS = 2.0
"""Time between two readings of the stream to its end."""
SOON_SECONDS = 0.02
"""An event may be heard before the stream has it. Then it is read so soon, at most `SOON_LOOKS` times."""
SOON_LOOKS = 25
MICROSECOND = timedelta(microseconds=1)


class Listener(Protocol):
    """Gets the events."""

    @property
    def has_streams(self) -> bool:
        """Whether there are event streams, which need every event."""
        ...

    @property
    def has_waits(self) -> bool:
        """Whether there are requests that wait for an event."""
        ...

    def on_heard(self, event: pb.ClientEvent) -> None:
        """Take an event as it is published. It may be lost on the way."""

    def on_event(self, event: pb.ClientEvent, position: Position) -> None:
        """Take the next event of the stream."""

    def on_loss(self) -> None:
        """Learn that events were lost for good. The follower's position is behind them."""


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
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._js: JetStreamContext | None = None
        self._woken = asyncio.Event()
        self._heard_count = 0
        """How many events were heard that the stream has to be read for."""
        self._must_read_all = False
        self.position: Position | None = None
        """The last event that was read. None until the stream was found."""

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

    async def end_position(self) -> Position | None:
        """Return the end of the stream, where a new event stream starts. None if the broker has none yet."""
        if self.position and not self._listener.has_streams:  # nobody has needed it for up to two seconds
            with contextlib.suppress(nats.errors.Error):
                held = await self.range()
                if not self._listener.has_streams:
                    is_behind, self.position = self.position != held.last, held.last
                    if is_behind and self._listener.has_waits:
                        self._listener.on_loss()  # who waits looks again, in case an event was not heard
        return self.position

    def read_all_soon(self) -> None:
        """Read the stream to its end now, because somebody needs the events who did not before."""
        self._must_read_all = True
        self._woken.set()

    async def read_next(self, user_id: int, sequence: int) -> tuple[int, pb.ClientEvent] | None:
        """Return the user's next event after this sequence number, with its own, or None if there is none."""
        if not self._js:
            raise nats.errors.NoServersError
        event = None
        while event is None:
            try:
                found = await self._js.get_msg(STREAM, sequence + 1, f"events.{user_id}.>", next=True)
            except NotFoundError:
                return None
            sequence, event = found.seq or 0, _to_event(found.data, found.headers)
        return sequence, event

    async def _read_on(self, js: JetStreamContext) -> None:
        """Read the stream from the last event on, until the broker does not answer."""
        while True:
            self._must_read_all = False
            await self._find_position()
            if self._listener.has_streams or self._listener.has_waits:
                await self._read_all(js)
            await self._read_what_is_heard(js)

    async def _read_what_is_heard(self, js: JetStreamContext) -> None:
        """Read each event that is heard, until all has to be read again."""
        clock = asyncio.get_running_loop().time
        until, looks_left = clock() + LOOK_SECONDS, SOON_LOOKS
        while looks_left and clock() < until and not self._must_read_all:
            self._woken.clear()
            has_read = await self._read_heard(js)
            looks_left = SOON_LOOKS if has_read else looks_left - 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until if has_read else clock() + SOON_SECONDS):
                    await self._woken.wait()
        if not looks_left:
            self._heard_count = 0  # the publisher repeated an event, which the stream does not store again

    async def _read_heard(self, js: JetStreamContext) -> bool:
        """Read as many events as were heard. Return False if the stream does not have one of them yet."""
        while self._heard_count:
            if not await self._read_one(js):
                return False
        return True

    async def _read_all(self, js: JetStreamContext) -> None:
        while await self._read_one(js):
            pass

    async def _read_one(self, js: JetStreamContext) -> bool:
        """Read the next event of the stream. Return False if there is none."""
        position = self.position
        if position is None:
            return False
        try:
            found = await js.get_msg(STREAM, position.sequence + 1, "events.>", next=True)
        except NotFoundError:
            return False
        self._heard_count = max(0, self._heard_count - 1)
        if self.position != position:
            return True  # a new event stream has moved on to the end
        sequence = found.seq or 0
        if sequence != position.sequence + 1:  # the stream has dropped events that are too old
            self.position = position.at(sequence - 1)
            self._listener.on_loss()
        self.position = position.at(sequence)
        if event := _to_event(found.data, found.headers):
            self._listener.on_event(event, self.position)
        return True

    async def _find_position(self) -> None:
        """Go to the end of the stream if nobody needs its events, or if it no longer has what comes next."""
        held = await self.range()
        if not (self.position and (self._listener.has_streams or self._listener.has_waits)):
            self.position, self._heard_count = held.last, 0
        elif not held.can_continue(self.position):
            self.position = held.last
            self._listener.on_loss()

    async def _on_heard(self, message: Msg) -> None:
        event = _to_event(message.data, message.headers)
        if event:
            self._listener.on_heard(event)
        if (event is None or event.type not in PASSING_EVENTS) and self._listener.has_streams:
            self._heard_count += 1
            self._woken.set()


def _to_event(data: bytes | None, headers: Mapping[str, str] | None) -> pb.ClientEvent | None:
    """Return the event. None if a stream has republished it or it is malformed: a service forges it then."""
    if stream := messages.republisher_of(headers):
        REPEATED.warning("event for clients refused", cause=stream, action="no client gets it")
        return None
    try:
        return pb.ClientEvent.FromString(data or b"")
    except DecodeError as error:
        REPEATED.warning("event for clients refused", cause=log.error_text(error), action="no client gets it")
        return None
