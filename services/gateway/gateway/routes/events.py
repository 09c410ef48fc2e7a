"""The event stream of a client: what happens to its images and batches, as server-sent events."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from google.protobuf.timestamp_pb2 import Timestamp

from common import errors
from gateway.backend import Backend, backend_of
from gateway.events import frames
from gateway.events.frames import EventResponse
from gateway.events.position import HEADER, Position
from gateway.events.streams import EventStream, Filter
from gateway.http.envelope import parse_id
from gateway.identity.access import find_again
from gateway.identity.callers import Caller
from gateway.identity.route_access import ImagePoller
from gateway.openapi import examples
from gateway.openapi.operation import Operation
from loupe import refusals
from loupe.contract import EVENT_TYPES
from loupe.images.v1 import images_pb2 as pb
from loupe.outbound.v1 import outbound_pb2
from rest import events as rest_events
from rest.webhooks import webhook_data

router = APIRouter(prefix="/api/events", tags=["events"])
COMMENT_SECONDS = 15.0
CHECK_SECONDS = 60.0
"""Time between two checks of a stream's token, in case the event about its revocation was lost."""
RETRY_SECONDS = 1.0
HEADERS = {"X-Accel-Buffering": "no"}
"""Makes nginx and its kin pass each event on at once."""

FOLLOW_EVENTS = Operation(
    id="followEvents",
    summary="Follow what happens to your images and batches",
    message="",
    description=(
        "Server-sent events (`text/event-stream`), until the client closes the connection. Each has an `id`, "
        f"unless it is about progress. Send the last one as `{HEADER}` to get what happened since. "
        "The event `reset` says that something was missed: read your lists again. "
        "Every 15 seconds without an event there is a comment."
    ),
    example_data=examples.EVENT,
    refusals=(refusals.VALIDATION_FAILED, refusals.TOO_MANY_EVENT_STREAMS),
)


@router.get("", status_code=200, response_class=EventResponse)
@FOLLOW_EVENTS.describes
async def follow_events(
    request: Request,
    caller: ImagePoller,
    types: Annotated[str | None, Query()] = None,
    image_id: Annotated[str | None, Query()] = None,
    batch_id: Annotated[str | None, Query()] = None,
    last_event_id: Annotated[str | None, Header(alias=HEADER)] = None,
) -> Response:
    wanted = _to_filter(types, image_id, batch_id)
    sent_position = Position.parse(last_event_id) if last_event_id else None
    hub = backend_of(request).hub
    hub.refuse_another_stream(caller.user.id)
    if request.state.is_head:
        return Response(media_type=EventResponse.media_type, headers=HEADERS)
    continues = sent_position is not None and (await hub.follower.range()).can_continue(sent_position)
    known = await hub.follower.end_position()
    if known is None or hub.is_draining:
        raise errors.refused(refusals.BROKER_UNAVAILABLE)
    hub.refuse_another_stream(caller.user.id)  # others may have come meanwhile
    start = sent_position if sent_position and continues else known
    stream = EventStream(hub.follower, caller.user.id, wanted, start, is_behind=continues)
    if sent_position and not continues:
        stream.reset()
    place = contextlib.ExitStack()
    place.enter_context(hub.attached(stream))
    return EventResponse(_Following(request, caller, stream).frames(), place, headers=HEADERS)


class _Following:
    """One open event stream and its client."""

    def __init__(self, request: Request, caller: Caller, stream: EventStream) -> None:
        self._request = request
        self._backend: Backend = backend_of(request)
        self._caller = caller
        self._stream = stream
        self._checked_at = time.monotonic()

    async def frames(self) -> AsyncGenerator[bytes]:
        """Yield what is sent, until the token is revoked or this gateway stops."""
        stream = self._stream
        yield frames.opening(stream.position)
        while not self._backend.hub.is_draining:
            if self._must_check() and not await self._may_go_on():
                return
            if stream.take_reset():
                yield frames.event(rest_events.envelope("reset", _now(), None), stream.position)
            if following := await stream.next():
                event, position = following
                data = await self._data_of(event)
                if data is None:
                    continue  # the token is revoked, or this gateway stops
                yield frames.event(rest_events.envelope(event.type, event.occurred_at, data), position)
            elif not await stream.wait(min(COMMENT_SECONDS, self._seconds_to_expiry())):
                yield frames.comment(stream.position)
        yield frames.LATER

    def _seconds_to_expiry(self) -> float:
        return max(0.0, self._caller.expires_at - time.time())

    def _must_check(self) -> bool:
        is_old = time.monotonic() - self._checked_at > (
            CHECK_SECONDS
            if self._backend.limits.counts_at_broker
            else self._backend.settings.principal_seconds
        )
        return self._stream.must_check_token or is_old or not self._seconds_to_expiry()

    async def _may_go_on(self) -> bool:
        """Return whether the token is valid. While auth does not answer, it counts as valid."""
        self._stream.must_check_token, self._checked_at = False, time.monotonic()
        try:
            self._caller = await find_again(self._request)
        except (errors.Unauthenticated, errors.PermissionDenied) as error:
            return error.reason not in (refusals.UNAUTHENTICATED.code, refusals.ACCOUNT_BLOCKED.code)
        except errors.ServiceError:
            return True
        return True

    async def _data_of(self, event: pb.ClientEvent) -> dict[str, Any] | None:
        """Return what GET answers about the image or batch. None if the client may not read it any more.

        While a service is away, try again each second: no ending may be lost.
        """
        while not self._backend.hub.is_draining:
            try:
                self._caller = await find_again(self._request)
                return await _read(self._caller, event)
            except errors.NotFound:
                return rest_events.deleted_data(event.image_id or event.batch_id or event.webhook_id)
            except errors.PermissionDenied:
                return None  # the token may not read webhooks
            except errors.Unauthenticated as error:
                if error.reason == refusals.UNAUTHENTICATED.code:
                    self._stream.check_token()
                    return None
            except errors.ServiceError:
                pass
            await asyncio.sleep(RETRY_SECONDS)
        return None


async def _read(caller: Caller, event: pb.ClientEvent) -> dict[str, Any]:
    if event.webhook_id:
        request = outbound_pb2.GetWebhookRequest(id=event.webhook_id)
        return webhook_data((await caller.outbound.GetWebhook(request)).webhook)
    if event.image_id:
        response = await caller.images.GetImage(pb.GetImageRequest(id=event.image_id))
        return rest_events.image_data(response.image)
    request = pb.GetBatchRequest(id=event.batch_id, omit_images=True)
    return rest_events.batch_data((await caller.images.GetBatch(request)).batch)


def _now() -> Timestamp:
    stamp = Timestamp()
    stamp.GetCurrentTime()
    return stamp


def _to_filter(types: str | None, image_id: str | None, batch_id: str | None) -> Filter:
    """Return the filter of the query. Raise `InvalidArgument` with every field at fault."""
    fields: dict[str, list[str]] = {}
    wanted: Sequence[str] = [one.strip() for one in types.split(",")] if types else []
    if not set(wanted) <= set(EVENT_TYPES):
        fields["types"] = [errors.choice_text("types", EVENT_TYPES)]
    ids: dict[str, int | None] = {"image_id": None, "batch_id": None}
    for name, text in (("image_id", image_id), ("batch_id", batch_id)):
        try:
            ids[name] = parse_id(text) if text else None
        except ValueError:
            fields[name] = [f"The {name.replace('_', ' ')} is invalid."]
    if fields:
        raise errors.invalid(fields)
    return Filter(frozenset(wanted), ids["image_id"], ids["batch_id"])
