"""Dead letters: messages that their consumer gave up. Operators list them and redrive them.

`common.messages` copies them to the stream DEAD. A letter without headers comes from `images`: an image has
used up its attempts. To redrive it means to make the image pending again, with a new place in the user's
quota.
"""

import contextlib
from collections.abc import AsyncGenerator, Sequence

from google.protobuf.message import DecodeError
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError
from prometheus_client import Gauge

from common import bus, errors, redrive, timestamps, trace
from images.domain import jobs, library
from images.recording import record
from images.tables import Image
from images.uploads.intake import ServiceContext
from images.uploads.retries import Retries
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2

STREAM = bus.DEAD.name or ""
MOST_LISTED = 1000
OWN_SUBJECTS = (jobs.STANDARD, jobs.PRIORITY, "images.completed", "images.failed", "images.cancelled")
"""A redrive publishes letters with these subjects. Others are handled again by their consumer alone."""
RENAMED = {"images.submitted.standard": jobs.STANDARD, "images.submitted.priority": jobs.PRIORITY}
"""Subjects of jobs in the previous release, and the subjects under which a redrive publishes them."""
ABOUT_AN_IMAGE = {
    **dict.fromkeys((jobs.STANDARD, jobs.PRIORITY, *RENAMED), pb.ImageSubmitted),
    "images.completed": pb.ImageEnded,
    "images.failed": pb.ImageEnded,
    "images.cancelled": pb.ImageEnded,
    "inference.finished": inference_pb2.Finished,
}

dead_messages = Gauge("loupe_dead_messages", "Messages that were given up and wait for an operator")


class NotFailed(errors.FailedPrecondition):
    """The image has not used up its attempts, so there is nothing to retry. Its letter is deleted."""

    def __init__(self) -> None:
        super().__init__("The image has not failed, or no longer exists.", reason="image_not_failed")


class DeadLetters:
    """The stream of dead letters, for operators."""

    def __init__(self, js: JetStreamContext, context: ServiceContext) -> None:
        self._js = js
        self._context = context

    async def list_newest(self, limit: int) -> list[pb.DeadMessage]:
        """Return at most `limit` dead letters, newest first."""
        letters = await self._read_newest(min(max(limit, 1), MOST_LISTED))
        exhausted = [_image_id(letter) for letter in letters if not _subject(letter)]
        async with self._context.sessions.begin() as session:
            images = await library.get_many(session, exhausted)
        return [to_proto(letter, images.get(_image_id(letter))) for letter in letters]

    async def redrive(self, sequence: int) -> None:
        """Publish the message again, have its consumer handle it again, or make its image pending again. Then
        delete the letter.

        The letter is deleted last, so that an interrupted redrive can be repeated. Raise `NotFound` if there
        is no such letter, `NotFailed` if the image does not need it, and `PermissionDenied` if the quota is
        used up.
        """
        letter = await self._get(sequence)
        try:
            if _subject(letter):
                await self._deliver_again(letter)
            else:
                await self._retry_image(_image_id(letter))
        except NotFailed:
            await self._js.delete_msg(STREAM, sequence)
            raise
        async with self._context.sessions.begin() as session:
            ids = {"sequence": sequence, "image_id": _image_id(letter) or None}
            await record(session, "dead_letter.redriven", user_id=None, **ids)
        await self._js.delete_msg(STREAM, sequence)

    async def _deliver_again(self, letter: api.RawStreamMsg) -> None:
        """Publish a message that is ours. No other service's message can be published by us."""
        sequence, headers = letter.seq or 0, letter.headers or {}
        subject = RENAMED.get(_subject(letter), _subject(letter))
        _, stream, durable = (letter.subject or "").split(".", 2)
        if subject in OWN_SUBJECTS:
            await bus.publish(
                self._js,
                subject,
                letter.data or b"",
                message_id=f"redriven-{sequence}",
                origin=trace.Origin(headers.get(trace.REQUEST_ID_KEY), headers.get(trace.PARENT_KEY)),
            )
        else:
            await redrive.ask(self._js, stream, durable, sequence)

    async def measure(self) -> None:
        dead_messages.set((await self._js.stream_info(STREAM)).state.messages)

    async def _retry_image(self, image_id: int) -> None:
        """Make an image that used up its attempts pending again, with a new place in the user's monthly
        quota.
        """
        async with self._context.sessions.begin() as session:
            image = (await library.get_many(session, [image_id])).get(image_id)
        if image is None or not jobs.is_exhausted(image):
            raise NotFailed
        try:
            await Retries(self._context).retry_for_operator(image.user_id, image_id)
        except errors.AlreadyExists as error:
            raise NotFailed from error

    async def _get(self, sequence: int) -> api.RawStreamMsg:
        if sequence:  # NATS would take 0 for a request without a sequence
            with contextlib.suppress(NotFoundError):
                return await self._js.get_msg(STREAM, sequence)
        raise errors.NotFound("Dead message not found.", reason="dead_message_not_found")

    async def _read_newest(self, count: int) -> Sequence[api.RawStreamMsg]:
        """Return the newest letters, newest first.

        Deleted letters leave gaps in the sequence numbers, so read from further back until there are enough.
        """
        state, back = (await self._js.stream_info(STREAM)).state, count
        while True:
            first = max(state.first_seq, state.last_seq + 1 - back)
            letters = [letter async for letter in self._read_from(first)]
            if len(letters) >= count or first <= state.first_seq:
                return letters[: -count - 1 : -1]
            back *= 4

    async def _read_from(self, sequence: int) -> AsyncGenerator[api.RawStreamMsg]:
        while True:
            try:
                letter = await self._js.get_msg(STREAM, max(sequence, 1), "dead.>", next=True)
            except NotFoundError:
                return
            yield letter
            sequence = (letter.seq or sequence) + 1


def to_proto(letter: api.RawStreamMsg, image: Image | None) -> pb.DeadMessage:
    """Convert a letter. If it has no headers, its subject and error come from the image."""
    headers = letter.headers or {}
    failure = (image.failure_message if image else None) or "The image no longer exists."
    return pb.DeadMessage(
        sequence=letter.seq or 0,
        subject=_subject(letter) or (jobs.PRIORITY if image and image.is_priority else jobs.STANDARD),
        consumer=(letter.subject or "").rpartition(".")[2],
        error=headers.get("Loupe-Error") or failure,
        created_at=timestamps.to_proto(letter.time),
        image_id=_image_id(letter),
    )


def _subject(letter: api.RawStreamMsg) -> str:
    """Return the subject of the original message. Empty for an image that used up its attempts."""
    return (letter.headers or {}).get("Loupe-Subject", "")


def _image_id(letter: api.RawStreamMsg) -> int:
    """Return the id of the image, or 0 if the letter is not about an image or cannot be read."""
    kind = ABOUT_AN_IMAGE.get(_subject(letter) or jobs.STANDARD)
    try:
        return kind.FromString(letter.data or b"").image_id if kind else 0
    except DecodeError:
        return 0
