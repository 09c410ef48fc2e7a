"""The job of an image: when it is queued, which worker works on it, and how it ends.

`images.domain.turns` decides whose image is queued next. Attempts are counted here, not by NATS. The number
of an attempt is the fence of its work, and a call with an older fence changes nothing.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors, labels, outbox, trace
from common.db import now
from images.catalogue import ALWAYS_SERVED
from images.domain import batch_progress, counters, fairness, models, previews, turns, undecodable
from images.formats import sequences
from images.tables import UNFINISHED, Image, Status
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2

STANDARD, PRIORITY = "images.queued.standard", "images.queued.priority"
DEAD_STANDARD, DEAD_PRIORITY = "dead.QUEUE.inference-standard", "dead.QUEUE.inference-priority"
"""Named as in `common.messages`. They are published here, because attempts are counted here."""
EXHAUSTED = "attempts_exhausted"
CANCELLED_TEXT = "The image was cancelled."
LONGEST_TEXT = 500
"""Characters of a worker's text."""
MOST_EXCUSED = 20
"""The most attempts of an image that are excused. After that, the image itself counts as the cause."""
LOCK_USER = sa.text("SELECT pg_advisory_xact_lock(:user_id)")
LOCK_OWNER = sa.text("SELECT pg_advisory_xact_lock(user_id) FROM image WHERE id = :image_id")
"""Takes the same lock, for the user who owns the image."""


class Busy(errors.FailedPrecondition):
    """Another worker works on the image, or only another worker can. The caller should try again later."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of jobs, from the settings."""

    window: int
    """How many unfinished images of one user may be in the stream at a time; 0: no limit."""
    attempts: int
    """How many attempts an image has, not counting excused ones."""
    silent_after: timedelta
    """A worker that sent no heartbeat for this long no longer owns its image."""
    model_gone_after: timedelta = timedelta(minutes=1)
    """A model is no longer served if workers announced themselves for this long, but none announced it."""
    fairness_secret: bytes = b""
    """The secret of `fairness.key_of`."""
    undecodable_per_hour: int = 30
    """The most images of a user in an hour that cost workers time for nothing. The others then wait for the
    next hour.
    """


async def dispatch(session: AsyncSession, user_id: int, rules: Rules) -> None:
    """Give the user's new images their turns, and queue the next images of all users.

    The caller must hold the user's lock.
    """
    await turns.give(session, user_id)
    await let_in(session, rules)


async def let_in(session: AsyncSession, rules: Rules) -> None:
    """Queue the next images of all users, as many as the workers can take.

    Call it last in a transaction: until the commit, no other transaction can do it.
    """
    for image in await turns.let_in(session, rules.window, rules.undecodable_per_hour):
        subject = PRIORITY if image.is_priority else STANDARD
        key = fairness.key_of(image.user_id, rules.fairness_secret)
        event = pb.ImageSubmitted(image_id=image.id, is_small=image.is_small, fairness_key=key)
        origin = trace.Origin(image.request_id, image.trace_parent)
        await outbox.publish(session, subject, event, origin=origin)


async def lock_user(session: AsyncSession, user_id: int) -> None:
    """Take the user's lock: wait until no other transaction adds, ends or deletes images of this user.

    Take it before the lock of any row, or two transactions may wait for each other.
    """
    connection = await session.connection()
    await connection.execute(LOCK_USER, {"user_id": user_id})


async def start(
    session: AsyncSession, image_id: int, rules: Rules, served: Collection[str] = ALWAYS_SERVED
) -> Image | None:
    """Count an attempt and return the image to the calling worker, which serves the models `served`.

    Return None if the image needs no work any more, or waits for its user's next hour. Raise `Busy` if
    another worker works on it, or if only another worker can.
    """
    image = await lock_image(session, image_id)
    if image is None or image.status not in UNFINISHED:
        return None
    if image.status == Status.PROCESSING and not _is_silent(image, rules):
        raise Busy(f"image {image_id} is being worked on", reason="image_busy")
    if await undecodable.is_over_limit(session, image.user_id, rules.undecodable_per_hour):
        image.status, image.dispatched_at, image.heartbeat_at = Status.PENDING, None, None
        await session.flush()
        await let_in(session, rules)
        return None
    if image.model_asked not in served:
        await _refuse_model(session, image, rules)
        return None
    if image.attempt - image.attempts_from - min(image.excused, MOST_EXCUSED) >= rules.attempts:
        await _fail_exhausted(session, image, rules)
        return None
    image.attempt += 1
    image.progress = 0
    image.status = Status.PROCESSING
    image.started_at = image.heartbeat_at = image.updated_at = now()
    await batch_progress.record_start(session, image)
    counters.count_start(session, image)
    return image


async def stop(session: AsyncSession, image_id: int, fence: int, *, excused: bool) -> None:
    """End this attempt without a result. No worker owns the image until the next attempt starts."""
    await session.exec(
        update(Image)
        .where(
            col(Image.id) == image_id,
            col(Image.status) == Status.PROCESSING,
            col(Image.attempt) == fence,
            col(Image.heartbeat_at).is_not(None),
        )
        .values(heartbeat_at=None, excused=col(Image.excused) + int(excused))
    )


async def record_heartbeat(session: AsyncSession, image_id: int, fence: int, percent: int = 0) -> bool:
    """Record a worker's heartbeat and progress. Return whether the result is still needed.

    A worker that was silent for too long owns its image again, if no other worker has started on it.
    """
    updated = await session.exec(
        update(Image)
        .where(col(Image.id) == image_id, col(Image.status).in_(UNFINISHED), col(Image.attempt) == fence)
        .values(heartbeat_at=now(), status=Status.PROCESSING, progress=min(99, max(0, percent)))
        .returning(col(Image.id))
    )
    return updated.one_or_none() is not None


async def finish(session: AsyncSession, finished: inference_pb2.Finished, rules: Rules) -> None:
    """Apply an attempt's outcome. A second outcome, and one with an older fence, change nothing."""
    image = await lock_image(session, finished.image_id)
    if image is None:
        await drop_objects(session, finished.upscaled_path)
    elif image.status in UNFINISHED and image.attempt == finished.fence:
        if finished.HasField("output"):
            await _complete(session, image, finished.output, rules)
        else:
            if finished.failure.code == undecodable.CODE:
                await undecodable.count(session, image.user_id)
            await fail(session, image, finished.failure, rules)


async def cancel(session: AsyncSession, image: Image) -> None:
    """Fail an unfinished image as cancelled. Its place in the quota is released, and its worker stops.

    If work on it has begun, it counts for the user's limit, because that work was free.
    """
    if image.status == Status.PROCESSING:
        await undecodable.count(session, image.user_id)
    _set_failed(image, inference_pb2.Failure(code="cancelled", message=CANCELLED_TEXT, retryable=True))
    await batch_progress.record_end(session, image, is_completed=False)
    counters.count_end(session, image)
    await outbox.publish(session, "images.cancelled", ended_event(image))


async def refuse(session: AsyncSession, image: Image, failure: inference_pb2.Failure) -> None:
    """Fail a new image that has no place in the quota. The caller counts it in its batch."""
    _set_failed(image, failure)
    counters.count_end(session, image)


def is_exhausted(image: Image) -> bool:
    """Return whether the image failed because it used up its attempts."""
    return image.status == Status.FAILED and image.failure_code == EXHAUSTED


def object_keys(images: Iterable[Image]) -> list[str]:
    """Return the keys of the images' originals and results."""
    return [key for image in images for key in (image.original_path, image.upscaled_path)]


async def drop_objects(session: AsyncSession, *keys: str) -> None:
    """Publish that these objects must be deleted once the transaction has committed."""
    await outbox.publish(session, "images.objects_dropped", pb.ObjectsDropped(keys=keys))


async def lock_image(session: AsyncSession, image_id: int) -> Image | None:
    """Take the locks of the image's user and of its row. Return the row, or None if there is none."""
    connection = await session.connection()
    owner = await connection.execute(LOCK_OWNER, {"image_id": image_id})
    if owner.one_or_none() is None:
        return None
    found = await session.exec(select(Image).where(Image.id == image_id).with_for_update())
    return found.one_or_none()


def _is_silent(image: Image, rules: Rules) -> bool:
    return image.heartbeat_at is None or image.heartbeat_at < now() - rules.silent_after


async def _complete(session: AsyncSession, image: Image, output: inference_pb2.Output, rules: Rules) -> None:
    image.status = Status.COMPLETED
    image.upscaled_bytes = output.bytes
    image.processing_seconds = output.seconds
    image.model_used = _cleaned(output.model)
    image.model_reason = _cleaned(output.model_reason)
    image.model_message = _cleaned(output.model_message)
    image.denoise_used = output.denoise if output.HasField("denoise") else None
    image.strength_used = output.strength if output.HasField("strength") else None
    image.precision_used = _cleaned(output.precision) or None
    image.warnings = _warnings(image, output)
    image.previews = previews.stored(output.previews)
    image.updated_at = now()
    await batch_progress.record_end(session, image, is_completed=True)
    await session.flush()
    counters.count_end(session, image)
    await outbox.publish(session, "images.completed", ended_event(image))
    await dispatch(session, image.user_id, rules)


def _warnings(image: Image, output: inference_pb2.Output) -> list[dict[str, str]] | None:
    """Return the warnings, with one for pages or frames that the worker could not read."""
    missing = (image.pictures or 1) - max(1, output.pictures)
    if missing <= 0:
        return image.warnings
    text = sequences.lost_in_decoding(missing, are_pages=image.upscaled_format == "TIFF")
    return [*(image.warnings or ()), {"field": "image", "message": text}]


async def _refuse_model(session: AsyncSession, image: Image, rules: Rules) -> None:
    """Raise `Busy` if another worker has the image's model. Fail the image if no worker has it."""
    name = image.model_asked
    if name in await models.served_names(session, rules.model_gone_after):
        raise Busy(f"another worker has the model {name}", reason="model_elsewhere")
    message = f"The model {name} is not served any more."
    failure = inference_pb2.Failure(code="model_unavailable", message=message, retryable=True)
    await fail(session, image, failure, rules)


async def _fail_exhausted(session: AsyncSession, image: Image, rules: Rules) -> None:
    """Fail the image, and publish a dead letter, with which an operator can retry it."""
    message = f"The image could not be processed in {rules.attempts} attempts."
    await fail(session, image, inference_pb2.Failure(code=EXHAUSTED, message=message, retryable=True), rules)
    subject = DEAD_PRIORITY if image.is_priority else DEAD_STANDARD
    await outbox.publish(session, subject, pb.ImageSubmitted(image_id=image.id or 0))


async def fail(session: AsyncSession, image: Image, failure: inference_pb2.Failure, rules: Rules) -> None:
    """Fail the image and queue the next ones. The caller must hold the user's lock."""
    _set_failed(image, failure)
    await batch_progress.record_end(session, image, is_completed=False)
    await session.flush()
    counters.count_end(session, image)
    await outbox.publish(session, "images.failed", ended_event(image))
    await dispatch(session, image.user_id, rules)


def _set_failed(image: Image, failure: inference_pb2.Failure) -> None:
    image.status = Status.FAILED
    image.failure_code = _cleaned(failure.code)
    image.failure_message = _cleaned(failure.message)
    image.failure_retryable = failure.retryable
    image.updated_at = now()


def _cleaned(text: str) -> str:
    """Return a worker's text as one short line. Users read it, and workers decode files of strangers."""
    return labels.clean(text)[:LONGEST_TEXT]


def ended_event(image: Image) -> pb.ImageEnded:
    """Return the event that says that the image ended. Its subject says how."""
    return pb.ImageEnded(
        image_id=image.id or 0, user_id=image.user_id, reservation_id=str(image.reservation_id)
    )
