"""Follows the stream CLIENT_EVENTS: one ordered consumer for the whole process, which misses no event.

The consumer is only in the memory of the broker. It is made again, at the next event, whenever it may have
lost one: after a gap, without heartbeats, and after each new connection.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from common import log
from common.repeated import Repeated
from gateway.events.position import Position
from loupe.contract import PASSING_EVENTS
from loupe.images.v1 import images_pb2 as pb

REPEATED = Repeated(log.get(__name__))
STREAM = "CLIENT_EVENTS"
HEARTBEAT_SECONDS = 2.0
LOOK_SECONDS = 0.25
RETRY_SECONDS = 0.5
FORGET_SECONDS = 30.0
"""How long the broker keeps a consumer that nobody listens to."""
MICROSECOND = timedelta(microseconds=1)

OnEvent = Callable[[pb.ClientEvent, Position | None], None]
"""Gets each event. Progress has no position."""


class Range(NamedTuple):
    """What the stream holds now."""

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
        self.position: Position | None = None
        """The last event that was received. None until the stream was found."""

    async def follow(self, nc: Client) -> None:
        """Receive events until cancelled."""
        self._js = nc.jetstream()
        for kind in PASSING_EVENTS:
            await nc.subscribe(f"events.*.{kind}", cb=self._on_progress)
        while True:
            try:
                await self._consume(nc, self._js)
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

    async def _consume(self, nc: Client, js: JetStreamContext) -> None:
        """Receive events by one consumer, until it may have lost one."""
        held = await self.range()
        if self.position is None:
            self.position = held.last
        elif not held.can_continue(self.position):
            self.position = held.last
            self._on_loss()
        delivery = _Delivery(self)
        inbox = nc.new_inbox()
        subscription = await nc.subscribe(inbox, cb=delivery.receive)
        try:
            connection = nc.stats["reconnects"]
            await js.add_consumer(STREAM, _configuration(inbox, self.position.sequence + 1))
            while nc.stats["reconnects"] == connection and delivery.is_complete():  # noqa: ASYNC110  nothing wakes us
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if not nc.is_closed:
                await subscription.unsubscribe()

    async def _on_progress(self, message: Msg) -> None:
        self._on_event(pb.ClientEvent.FromString(message.data), None)

    def receive(self, sequence: int, data: bytes) -> None:
        """Take the next event of the stream."""
        if self.position:
            self.position = self.position.at(sequence)
            self._on_event(pb.ClientEvent.FromString(data), self.position)


class _Delivery:
    """The messages of one consumer."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._received = 0
        self._has_gap = False
        self._clock = asyncio.get_running_loop().time
        self._heard_at = self._clock()

    def is_complete(self) -> bool:
        """Return whether no message was lost, as far as we know."""
        return not self._has_gap and self._clock() - self._heard_at < 3 * HEARTBEAT_SECONDS

    async def receive(self, message: Msg) -> None:
        self._heard_at = self._clock()
        if JetStreamContext.is_status_msg(message) or self._has_gap:
            return
        number = message.metadata.sequence
        self._received += 1
        self._has_gap = number.consumer != self._received
        if not self._has_gap:
            self._follower.receive(number.stream, message.data)


def _configuration(inbox: str, start: int) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        deliver_subject=inbox,
        deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=start,
        ack_policy=api.AckPolicy.NONE,
        max_deliver=1,
        idle_heartbeat=HEARTBEAT_SECONDS,
        inactive_threshold=FORGET_SECONDS,
        mem_storage=True,
        num_replicas=1,
    )
