"""Requests that wait until an image or a batch has ended: POST with `Prefer: wait=n`, GET with `?wait=n`."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Header, Query, Request
from pydantic import BeforeValidator

from common import errors
from gateway.backend import backend_of
from gateway.identity.access import find_again
from gateway.identity.callers import Caller
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb

MOST_SECONDS = 120
POLL_AGAIN_SECONDS, LONGEST_POLL_SECONDS = 2, 60
"""How long a poller is advised to wait where there is no estimate, and at most."""
PREFER = "Prefer"
PREFERENCE = re.compile(r'[ \t]*([^\s=;,"]+)(?:[ \t]*=[ \t]*("[^"]*"|[^\s;,"]*))?[ \t]*(?:;[^,]*)?')
REFUSALS = (refusals.VALIDATION_FAILED, refusals.TOO_MANY_WAITS)
Found = TypeVar("Found", pb.Image, pb.Batch)


def _seconds_in(text: str, field: str) -> int:
    """Return the seconds to wait. Raise `InvalidArgument` if the text is no number from 1 to 120."""
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MOST_SECONDS:
        of_header = f" of the {PREFER} header" if field == PREFER else ""
        raise errors.invalid({field: [f"The wait{of_header} must be between 1 and {MOST_SECONDS} seconds."]})
    return int(text)


def _of_query(text: object) -> int | None:
    return _seconds_in(str(text), "wait") if text not in (None, "") else None


WaitSeconds = Annotated[
    int | None, BeforeValidator(_of_query), Query(json_schema_extra={"minimum": 1, "maximum": MOST_SECONDS})
]
"""The query parameter `wait`."""


Prefer = Annotated[str | None, Header(alias=PREFER)]
"""The header, for the description. `preferred_seconds` reads it, because it must not be sent twice."""


def preferred_seconds(request: Request) -> int:
    """Return how long the request would wait, from its header `Prefer` (RFC 7240); 0 if it would not.

    Other preferences are ignored. Raise `InvalidArgument` if the header is sent twice, or asks for an
    impossible wait.
    """
    sent = request.headers.getlist(PREFER)
    if len(sent) > 1:
        raise errors.invalid({PREFER: [f"The {PREFER} header may be sent only once."]})
    waits = [
        (found[2] or "").strip('"')
        for part in (sent[0].split(",") if sent else ())
        if (found := PREFERENCE.fullmatch(part)) and found[1].lower() == "wait"
    ]
    if len(waits) > 1:
        raise errors.invalid({PREFER: [f"The {PREFER} header may have wait only once."]})
    return _seconds_in(waits[0], PREFER) if waits else 0


async def _read_image(image_id: int, caller: Caller) -> pb.Image:
    return (await caller.images.GetImage(pb.GetImageRequest(id=image_id))).image


async def _read_batch(batch_id: int, caller: Caller) -> pb.Batch:
    return (await caller.images.GetBatch(pb.GetBatchRequest(id=batch_id))).batch


@dataclass(frozen=True, slots=True)
class Waited(Generic[Found]):
    """A kind of thing that requests wait for: how to read one, and the states in which it has not ended."""

    name: str
    read: Callable[[int, Caller], Awaitable[Found]]
    unfinished: tuple[int, ...]
    estimated_seconds: Callable[[Found], int]
    """Returns when it may end; 0 if nobody knows."""

    def has_ended(self, found: Found) -> bool:
        return found.status not in self.unfinished


def _seconds_of_image(image: pb.Image) -> int:
    return image.estimated_seconds


def _seconds_of_batch(batch: pb.Batch) -> int:
    return max((image.estimated_seconds for image in batch.images), default=0)


IMAGE = Waited("image", _read_image, (pb.STATUS_PENDING, pb.STATUS_PROCESSING), _seconds_of_image)
BATCH = Waited("batch", _read_batch, (pb.BATCH_STATUS_PENDING, pb.BATCH_STATUS_PROCESSING), _seconds_of_batch)


def advise_when_to_poll(request: Request, kind: Waited[Found], found: Found) -> None:
    """Tell the client in `Retry-After` when to look again, if the image or batch has not ended."""
    if not kind.has_ended(found):
        seconds = kind.estimated_seconds(found) or POLL_AGAIN_SECONDS
        request.state.headers["Retry-After"] = str(min(seconds, LONGEST_POLL_SECONDS))


class Wait:
    """The wait of one request. Its caller has a place to wait."""

    def __init__(self, request: Request, caller: Caller, seconds: int) -> None:
        self._request = request
        self._caller = caller
        self._seconds = seconds

    async def until_ended(self, kind: Waited[Found], object_id: int) -> Found:
        """Return the image or batch once it has ended, or as it is when the time is up or this gateway stops.

        It is read before, after each event about it, and when the time is up.
        """
        if not self._seconds:
            return await kind.read(object_id, self._caller)
        self._request.state.headers["Preference-Applied"] = f"wait={self._seconds}"
        hub, clock = backend_of(self._request).hub, asyncio.get_running_loop().time
        ends_at = clock() + self._seconds
        woken_by = hub.waiting((kind.name, object_id))
        with woken_by as woken, _noticing_the_end_of(self._request, woken) as is_gone:
            async with hub.reads:
                found = await kind.read(object_id, self._caller)
            while not kind.has_ended(found) and not hub.is_draining and not is_gone() and clock() < ends_at:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(ends_at):
                        await woken.wait()
                woken.clear()
                async with hub.reads:
                    found = await kind.read(object_id, await find_again(self._request))
        return found

    async def until_new_one_ended(self, kind: Waited[Found], object_id: int) -> Found | None:
        """Return what was accepted if it ends in time. None otherwise, also if it cannot be read any more."""
        if not self._seconds:
            return None
        try:
            found = await self.until_ended(kind, object_id)
        except errors.ServiceError:
            return None  # it was accepted, whatever happened since
        return found if kind.has_ended(found) else None


@contextlib.contextmanager
def admitted(request: Request, caller: Caller, seconds: int | None) -> Generator[Wait]:
    """Yield the wait of this request. Raise `ResourceExhausted` if the user has too many."""
    with contextlib.ExitStack() as places:
        if seconds:
            places.enter_context(backend_of(request).hub.place_to_wait(caller.user.id))
        yield Wait(request, caller, seconds or 0)


@contextlib.contextmanager
def _noticing_the_end_of(request: Request, woken: asyncio.Event) -> Generator[Callable[[], bool]]:
    """Yield a function that returns whether the client is gone. Then `woken` is set too."""

    async def disconnected() -> None:
        with contextlib.suppress(errors.ServiceError):  # the client did not even send all of its request
            while (await request.receive())["type"] != "http.disconnect":
                pass

    listening = asyncio.create_task(disconnected())
    listening.add_done_callback(lambda _: woken.set())
    try:
        yield listening.done
    finally:
        listening.cancel()
