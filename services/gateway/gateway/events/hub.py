"""Wakes the requests and event streams of this gateway when something happens to what they wait for."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Generator
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from common import errors
from gateway.events.follower import Follower
from gateway.events.position import Position
from loupe import refusals
from loupe.contract import BATCH_ENDINGS, IMAGE_ENDINGS, PASSING_EVENTS
from loupe.images.v1 import images_pb2 as pb
from loupe.refusals import Refusal

if TYPE_CHECKING:
    from gateway.events.streams import EventStream

MOST_WAITS, MOST_STREAMS = 50, 20
"""The most waiting requests and the most open event streams of one user at this gateway."""
RETRY_AFTER_SECONDS = 10
MOST_READS = 32
"""The most waiting requests that read at a time."""
open_waits = Gauge("loupe_waits_open", "Requests that wait for the end of an image or a batch")
open_streams = Gauge("loupe_event_streams_open", "Event streams that clients read")

Key = tuple[str, int]
"""`image` or `batch`, and its id."""


class Hub:
    """Everybody who waits for events at this gateway."""

    def __init__(self) -> None:
        self.follower = Follower(self)
        self.is_draining = False
        self.reads = asyncio.Semaphore(MOST_READS)
        """Waiting requests read in turn, because thousands may come or be woken at once."""
        self._waiting: defaultdict[Key, set[asyncio.Event]] = defaultdict(set)
        self._streams: defaultdict[int, set[EventStream]] = defaultdict(set)
        self._waits_of_user: Counter[int] = Counter()

    @contextlib.contextmanager
    def place_to_wait(self, user_id: int) -> Generator[None]:
        """Count a request of the user that is going to wait. Raise `ResourceExhausted` if 50 wait already."""
        _refuse_over(self._waits_of_user[user_id], MOST_WAITS, refusals.TOO_MANY_WAITS)
        self._waits_of_user[user_id] += 1
        open_waits.inc()
        try:
            yield
        finally:
            open_waits.dec()
            self._waits_of_user[user_id] -= 1
            if not self._waits_of_user[user_id]:
                del self._waits_of_user[user_id]

    @contextlib.contextmanager
    def waiting(self, key: Key) -> Generator[asyncio.Event]:
        """Yield an event that is set whenever the image or batch may have ended."""
        woken = asyncio.Event()
        self._waiting[key].add(woken)
        try:
            yield woken
        finally:
            self._waiting[key].discard(woken)
            if not self._waiting[key]:
                del self._waiting[key]

    def refuse_another_stream(self, user_id: int) -> None:
        """Raise `ResourceExhausted` if the user has 20 event streams already."""
        _refuse_over(len(self._streams.get(user_id, ())), MOST_STREAMS, refusals.TOO_MANY_EVENT_STREAMS)

    @contextlib.contextmanager
    def attached(self, stream: "EventStream") -> Generator[None]:
        """Give the stream the events of its user."""
        if not self._streams:
            self.follower.read_all_soon()
        self._streams[stream.user_id].add(stream)
        open_streams.inc()
        try:
            yield
        finally:
            open_streams.dec()
            self._streams[stream.user_id].discard(stream)
            if not self._streams[stream.user_id]:
                del self._streams[stream.user_id]

    def check_tokens(self, user_id: int) -> None:
        """Make the user's event streams check their tokens, because one may have been revoked."""
        for stream in self._streams.get(user_id, ()):
            stream.check_token()

    def drain(self) -> None:
        """End all waits and event streams, because this gateway stops."""
        self.is_draining = True
        self._wake_all_waiting()
        for streams in self._streams.values():
            for stream in streams:
                stream.end()

    @property
    def has_streams(self) -> bool:
        return bool(self._streams)

    @property
    def has_waits(self) -> bool:
        return bool(self._waiting)

    def on_heard(self, event: pb.ClientEvent) -> None:
        """Wake who waits for the event. Progress goes to the user's event streams at once."""
        self._wake_for(event)
        if event.type in PASSING_EVENTS:
            self._offer(event, None)

    def on_event(self, event: pb.ClientEvent, position: Position) -> None:
        """Wake who has waited for the event in vain, and give it to the user's event streams."""
        self._wake_for(event)
        self._offer(event, position)

    def on_loss(self) -> None:
        """Make everybody look again, because events were lost."""
        for streams in self._streams.values():
            for stream in streams:
                stream.reset()
        self._wake_all_waiting()

    def _offer(self, event: pb.ClientEvent, position: Position | None) -> None:
        for stream in self._streams.get(event.user_id, ()):
            stream.offer(event, position)

    def _wake_for(self, event: pb.ClientEvent) -> None:
        if event.type in IMAGE_ENDINGS:
            self._wake(("image", event.image_id))
        elif event.type in BATCH_ENDINGS:
            self._wake(("batch", event.batch_id))

    def _wake(self, key: Key) -> None:
        for woken in self._waiting.get(key, ()):
            woken.set()

    def _wake_all_waiting(self) -> None:
        for waiting in self._waiting.values():
            for woken in waiting:
                woken.set()


def _refuse_over(count: int, most: int, refusal: Refusal) -> None:
    if count >= most:
        raise errors.refused_for(RETRY_AFTER_SECONDS, refusal)
