"""Waits for the end of an image or a batch: by events, else by requests that wait, else by polls."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import httpx2

from loupe_client._async.events import SILENT_SECONDS, AsyncEvents
from loupe_client._async.transport import LOG, AsyncTransport
from loupe_client.answers import envelope_of, parse
from loupe_client.errors import ApiError, UnexpectedAnswer, WaitTimedOut
from loupe_client.event_frames import ENDED_BATCH, ENDED_IMAGE, FrameReader
from loupe_client.models import Batch, Image

Thing = TypeVar("Thing", Image, Batch)
ENDED = {*ENDED_IMAGE, *ENDED_BATCH}
ONE_WAIT_SECONDS = 30
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.5, 5.0


class AsyncWaiting(Generic[Thing]):
    """Waits for one kind of thing, such as images."""

    def __init__(self, transport: AsyncTransport, kind: type[Thing], path: str, filter_name: str) -> None:
        self._transport = transport
        self._kind = kind
        self._path = path
        self._filter_name = filter_name

    async def wait(
        self, thing_id: int, timeout: float | None, on_change: Callable[[Thing], object] | None
    ) -> Thing:
        """Return the thing once it has ended. Raise `WaitTimedOut` after `timeout` seconds.

        `on_change` gets the thing whenever something about it is heard, its progress too.
        """
        deadline = Deadline(timeout)
        try:
            if ended := await self._by_events(thing_id, deadline, on_change or ignore):
                return ended
        except (ApiError, UnexpectedAnswer, httpx2.TransportError) as error:
            LOG.info("events cannot be followed, so requests wait instead: %s", error)
        return await self._by_requests(thing_id, deadline, on_change or ignore)

    async def _by_events(
        self, thing_id: int, deadline: "Deadline", report: Callable[[Thing], object]
    ) -> Thing | None:
        """Return the thing when it has ended, or None if the stream ends before."""
        events, reader = AsyncEvents(self._transport), FrameReader()
        silent = max(1.0, min(SILENT_SECONDS, deadline.left()))
        async with events.connect({self._filter_name: thing_id}, silent_seconds=silent) as stream:
            # whatever ends from now on is in the stream; whatever has ended before is in this answer
            thing = await self.get(thing_id)
            report(thing)
            if thing.status in ENDED:
                return thing
            async for chunk in stream.aiter_bytes():
                for event in reader.feed(chunk):
                    if event is None or event.data.get("id") != thing_id:
                        continue
                    if "status" not in event.data or event.data["status"] in ENDED:
                        thing = await self.get(thing_id)
                        report(thing)
                        if thing.status in ENDED:
                            return thing
                    else:
                        report(parse(self._kind, event.data))
                deadline.check(thing_id, self._filter_name)
        return None

    async def _by_requests(
        self, thing_id: int, deadline: "Deadline", report: Callable[[Thing], object]
    ) -> Thing:
        pause = FIRST_POLL_SECONDS
        while True:
            seconds = max(1, min(ONE_WAIT_SECONDS, int(deadline.left())))
            answer = await self._transport.send("GET", f"{self._path}/{thing_id}", query={"wait": seconds})
            thing = parse(self._kind, envelope_of(answer).get("data"))
            report(thing)
            if thing.status in ENDED:
                return thing
            deadline.check(thing_id, self._filter_name)
            if "preference-applied" not in answer.headers:  # an older server does not wait
                await asyncio.sleep(min(pause, max(0.0, deadline.left())))
                pause = min(LONGEST_POLL_SECONDS, pause * 1.5)

    async def get(self, thing_id: int) -> Thing:
        data: Any = await self._transport.call("GET", f"{self._path}/{thing_id}")
        return parse(self._kind, data)


def ignore(_: object) -> None:
    """Hear of a change, and do nothing."""


class Deadline:
    """The end of a wait, by the clock."""

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; many if there is no end."""
        return 1e9 if self._at is None else max(0.0, self._at - time.monotonic())

    def check(self, thing_id: int, filter_name: str) -> None:
        """Raise `WaitTimedOut` if the time is up."""
        if not self.left():
            kind = filter_name.removesuffix("_id")
            raise WaitTimedOut(f"The {kind} {thing_id} has not ended in time. It goes on.")
