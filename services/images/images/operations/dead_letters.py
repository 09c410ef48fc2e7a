"""Messages that their consumer gave up, for operators: to look at, and to give to it again.

They lie in the stream DEAD as `common.bus` puts them there. One about an image that used up its attempts
comes from here, without headers: its job is not published again, but the image waits again.
"""

from collections.abc import AsyncGenerator, Sequence

from google.protobuf.message import DecodeError
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError
from prometheus_client import Gauge

from common import bus, errors, timestamps, trace
from images.domain import jobs, library
from images.tables import Image
from images.uploads.intake import Intake, ServiceContext
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2

STREAM = bus.DEAD.name or ""
MOST_LISTED = 1000
STANDARD, PRIORITY = "images.submitted.standard", "images.submitted.priority"
ABOUT_AN_IMAGE = {
    STANDARD: pb.ImageSubmitted,
    PRIORITY: pb.ImageSubmitted,
    "images.completed": pb.ImageEnded,
    "images.failed": pb.ImageEnded,
    "images.cancelled": pb.ImageEnded,
    "inference.finished": inference_pb2.Finished,
}

kept = Gauge("loupe_dead_messages", "Messages that were given up and are kept for people")


class NotFailed(errors.FailedPrecondition):
    """The image needs no other chance, so its message goes."""

    def __init__(self) -> None:
        super().__init__("The image has not failed, or is gone.", reason="image_not_failed")


class DeadLetters:
    def __init__(self, js: JetStreamContext, means: ServiceContext) -> None:
        self._js = js
        self._means = means

    async def newest(self, limit: int) -> list[pb.DeadMessage]:
        messages = await self._last(min(max(limit, 1), MOST_LISTED))
        of_jobs = [_image_id(message) for message in messages if not _subject(message)]
        async with self._means.sessions.begin() as session:
            images = await library.by_id(session, of_jobs)
        return [to_proto(message, images.get(_image_id(message))) for message in messages]

    async def redrive(self, sequence: int) -> None:
        """The message goes last: what is interrupted can be repeated."""
        message = await self._get(sequence)
        try:
            if subject := _subject(message):
                headers = message.headers or {}
                origin = trace.Origin(headers.get(trace.REQUEST_ID_KEY), headers.get(trace.PARENT_KEY))
                name = f"redriven-{sequence}"
                await bus.publish(self._js, subject, message.data or b"", message_id=name, origin=origin)
            else:
                await self._revive(_image_id(message))
        except NotFailed:
            await self._js.delete_msg(STREAM, sequence)
            raise
        await self._js.delete_msg(STREAM, sequence)

    async def measure(self) -> None:
        kept.set((await self._js.stream_info(STREAM)).state.messages)

    async def _revive(self, image_id: int) -> None:
        """It takes a place in the quota again, whatever the plan says of how it came."""
        async with self._means.sessions.begin() as session:
            image = (await library.by_id(session, [image_id])).get(image_id)
        if image is None or not jobs.is_exhausted(image):
            raise NotFailed
        async with Intake(self._means, image.user_id) as intake:
            [place] = (await intake.reserve(1)).places
            async with self._means.sessions.begin() as session:
                if not await jobs.revive(
                    session, image_id, place.reservation_id, place.reserved_until, self._means.rules
                ):
                    raise NotFailed

    async def _get(self, sequence: int) -> api.RawStreamMsg:
        try:
            if sequence:
                return await self._js.get_msg(STREAM, sequence)
        except NotFoundError:
            pass
        raise errors.NotFound("Dead message not found.", reason="dead_message_not_found")

    async def _last(self, count: int) -> Sequence[api.RawStreamMsg]:
        """Newest first. There are gaps, so it looks further back until there are enough."""
        state, back = (await self._js.stream_info(STREAM)).state, count
        while True:
            first = max(state.first_seq, state.last_seq + 1 - back)
            messages = [message async for message in self._from(first)]
            if len(messages) >= count or first <= state.first_seq:
                return messages[: -count - 1 : -1]
            back *= 4

    async def _from(self, sequence: int) -> AsyncGenerator[api.RawStreamMsg]:
        while True:
            try:
                message = await self._js.get_msg(STREAM, max(sequence, 1), "dead.>", next=True)
            except NotFoundError:
                return
            yield message
            sequence = (message.seq or sequence) + 1


def to_proto(message: api.RawStreamMsg, image: Image | None) -> pb.DeadMessage:
    """`image` says what a message without headers does not."""
    headers = message.headers or {}
    told = (image.failure_message if image else None) or "The image is gone."
    return pb.DeadMessage(
        sequence=message.seq or 0,
        subject=_subject(message) or (PRIORITY if image and image.is_priority else STANDARD),
        consumer=(message.subject or "").rpartition(".")[2],
        error=headers.get("Loupe-Error") or told,
        created_at=timestamps.to_proto(message.time),
        image_id=_image_id(message),
    )


def _subject(message: api.RawStreamMsg) -> str:
    """Empty for an image that used up its attempts."""
    return (message.headers or {}).get("Loupe-Subject", "")


def _image_id(message: api.RawStreamMsg) -> int:
    kind = ABOUT_AN_IMAGE.get(_subject(message) or STANDARD)
    try:
        return kind.FromString(message.data or b"").image_id if kind else 0
    except DecodeError:
        return 0
