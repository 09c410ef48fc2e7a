"""From accepted to ended: which images are queued, who works on them, and how they end.

A queue is first in, first out. Fairness between users is thus made here: only a few unfinished images of one
user are in the stream at a time. Attempts are counted here too. The number of an attempt is the fence of its
work, and a call with an older fence changes nothing.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import func
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors, outbox, trace
from common.db import now
from images.catalogue import USUAL
from images.domain import batch_progress, measures, models
from images.tables import UNFINISHED, Image, Status
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2

STANDARD, PRIORITY = "images.queued.standard", "images.queued.priority"
DEAD_STANDARD, DEAD_PRIORITY = "dead.QUEUE.inference-standard", "dead.QUEUE.inference-priority"
"""Named as `common.bus` names dead letters. They are published here because attempts are counted here."""
EXHAUSTED = "attempts_exhausted"
CANCELLED = "The image was cancelled."
MOST_EXCUSED = 20
"""If something dies this often during work on one image, the image counts as the cause."""
LOCK_USER = sa.text("SELECT pg_advisory_xact_lock(:user_id)")
LOCK_OWNER = sa.text("SELECT pg_advisory_xact_lock(user_id) FROM image WHERE id = :image_id")
"""Takes the same lock, for the user who owns the image."""
DISPATCH = sa.text("""
    UPDATE image SET dispatched_at = now() WHERE id IN (
        SELECT id FROM image
        WHERE user_id = :user_id AND status = 'pending' AND dispatched_at IS NULL
        ORDER BY id
        LIMIT greatest(0, :window - (
            SELECT count(*) FROM image
            WHERE user_id = :user_id AND status IN ('pending', 'processing') AND dispatched_at IS NOT NULL))
    ) RETURNING id, is_priority, request_id, trace_parent
""")


class Busy(errors.FailedPrecondition):
    """Another worker has the image, or must take it. The caller should try again later."""


@dataclass(frozen=True, slots=True)
class Rules:
    window: int
    """Most unfinished images of one user that are in the stream at a time."""
    attempts: int
    silent: timedelta
    """A worker that sent no heartbeat for this long no longer owns its image."""
    model_gone_after: timedelta = timedelta(minutes=1)
    """A model counts as gone once workers have announced themselves without it for this long."""


async def dispatch(session: AsyncSession, user_id: int, rules: Rules) -> None:
    """Queue the user's oldest waiting images, as far as the window allows.

    The caller must hold the user's lock.
    """
    connection = await session.connection()
    rows = await connection.execute(DISPATCH, {"user_id": user_id, "window": rules.window})
    for image_id, is_priority, *origin in rows.all():
        subject, event = PRIORITY if is_priority else STANDARD, pb.ImageSubmitted(image_id=image_id)
        await outbox.publish(session, subject, event, origin=trace.Origin(*origin))


async def lock_user(session: AsyncSession, user_id: int) -> None:
    """Wait until no other transaction adds, ends or deletes images of this user.

    Take this lock before the lock of any row.
    """
    connection = await session.connection()
    await connection.execute(LOCK_USER, {"user_id": user_id})


async def start(
    session: AsyncSession, image_id: int, rules: Rules, served: Collection[str] = USUAL
) -> Image | None:
    """Count an attempt and give the image to the caller, who serves these models.

    Return None if the image needs no work any more. Raise `Busy` if another worker has it or must take it.
    """
    image = await locked(session, image_id)
    if image is None or image.status not in UNFINISHED:
        return None
    if image.status == Status.PROCESSING and not _is_silent(image, rules):
        raise Busy(f"image {image_id} is being worked on", reason="image_busy")
    if image.model_asked not in served:
        await _refuse_model(session, image, rules)
        return None
    if image.attempt - image.attempts_from - min(image.excused, MOST_EXCUSED) >= rules.attempts:
        await _exhaust(session, image, rules)
        return None
    image.attempt += 1
    image.progress = 0
    image.status = Status.PROCESSING
    image.started_at = image.heartbeat_at = image.updated_at = now()
    await batch_progress.started(session, image)
    measures.started(session, image)
    return image


async def stop(session: AsyncSession, image_id: int, fence: int, *, excused: bool) -> None:
    """End this attempt without a result. Nobody owns the image until the next attempt starts."""
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


async def keep(session: AsyncSession, image_id: int, fence: int, percent: int = 0) -> bool:
    """Record a heartbeat of the worker. Return false if its work is not wanted any more.

    A worker that was believed lost owns its image again, if no other worker has started on it.
    """
    updated = await session.exec(
        update(Image)
        .where(col(Image.id) == image_id, col(Image.status).in_(UNFINISHED), col(Image.attempt) == fence)
        .values(heartbeat_at=now(), status=Status.PROCESSING, progress=min(99, max(0, percent)))
        .returning(col(Image.id))
    )
    return updated.one_or_none() is not None


async def finish(session: AsyncSession, finished: inference_pb2.Finished, rules: Rules) -> None:
    """Apply a result. A second result, and a result with an older fence, change nothing."""
    image = await locked(session, finished.image_id)
    if image is None:
        await drop_objects(session, finished.upscaled_path)
    elif image.status in UNFINISHED and image.attempt == finished.fence:
        if finished.HasField("output"):
            await _complete(session, image, finished.output, rules)
        else:
            await fail(session, image, finished.failure, rules)


async def cancel(session: AsyncSession, image: Image) -> None:
    """End the image without a result. Its place in the quota is given back, and its worker stops."""
    _set_failed(image, inference_pb2.Failure(code="cancelled", message=CANCELLED, retryable=True))
    await batch_progress.ended(session, image, is_completed=False)
    measures.ended(session, image)
    await outbox.publish(session, "images.cancelled", ending(image))


async def revive(
    session: AsyncSession, image_id: int, reservation_id: uuid.UUID, reserved_until: datetime, rules: Rules
) -> bool:
    """Make an image that used up its attempts wait again, with new attempts. Return false if it did not.

    It needs a new reservation, because the old one was released when the image failed.
    """
    image = await locked(session, image_id)
    if image is None or not is_exhausted(image):
        return False
    image.status, image.progress = Status.PENDING, 0
    image.failure_code = image.failure_message = image.failure_retryable = None
    image.reservation_id, image.reserved_until = reservation_id, reserved_until
    image.attempts_from, image.excused = image.attempt, 0
    image.dispatched_at = image.started_at = image.heartbeat_at = None
    image.updated_at = now()
    await batch_progress.reopened(session, image)
    await session.flush()
    await dispatch(session, image.user_id, rules)
    return True


def is_exhausted(image: Image) -> bool:
    return image.status == Status.FAILED and image.failure_code == EXHAUSTED


def keys(images: Iterable[Image]) -> list[str]:
    return [key for image in images for key in (image.original_path, image.upscaled_path)]


async def drop_objects(session: AsyncSession, *keys: str) -> None:
    await outbox.publish(session, "images.objects_dropped", pb.ObjectsDropped(keys=keys))


async def abandoned(session: AsyncSession, rules: Rules) -> list[int]:
    """Make images whose worker fell silent wait again. Return their users, for `dispatch`."""
    silent_since = func.coalesce(col(Image.heartbeat_at), col(Image.started_at))
    is_silent = silent_since < now() - 3 * rules.silent
    users = await session.exec(
        update(Image)
        .where(_is_free(col(Image.status) == Status.PROCESSING, is_silent))
        .values(status=Status.PENDING, progress=0, dispatched_at=None, updated_at=now())
        .returning(col(Image.user_id))
    )
    return sorted(set(users.scalars().all()))


async def lost(session: AsyncSession, silent_for: timedelta) -> list[int]:
    """Make images wait again that were dispatched this long ago and never started. Return their users.

    Right when the stream is empty, or after so long that a second message for an image does no harm.
    """
    users = await session.exec(
        update(Image)
        .where(_is_free(col(Image.status) == Status.PENDING, col(Image.dispatched_at) < now() - silent_for))
        .values(dispatched_at=None)
        .returning(col(Image.user_id))
    )
    return sorted(set(users.scalars().all()))


async def locked(session: AsyncSession, image_id: int) -> Image | None:
    connection = await session.connection()
    owner = await connection.execute(LOCK_OWNER, {"image_id": image_id})
    if owner.one_or_none() is None:
        return None
    found = await session.exec(select(Image).where(Image.id == image_id).with_for_update())
    return found.one_or_none()


def _is_free(*wanted: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Match images that no other transaction is changing.

    For changes to images of many users without their locks: transactions must not wait for each other.
    """
    found = select(Image.id).where(*wanted).with_for_update(skip_locked=True)
    return col(Image.id).in_(found)


def _is_silent(image: Image, rules: Rules) -> bool:
    return image.heartbeat_at is None or image.heartbeat_at < now() - rules.silent


async def _complete(session: AsyncSession, image: Image, output: inference_pb2.Output, rules: Rules) -> None:
    image.status = Status.COMPLETED
    image.upscaled_bytes = output.bytes
    image.processing_seconds = output.seconds
    image.model_used = output.model
    image.model_reason = output.model_reason
    image.model_message = output.model_message
    image.updated_at = now()
    await batch_progress.ended(session, image, is_completed=True)
    await session.flush()
    measures.ended(session, image)
    await outbox.publish(session, "images.completed", ending(image))
    await dispatch(session, image.user_id, rules)


async def _refuse_model(session: AsyncSession, image: Image, rules: Rules) -> None:
    """Raise `Busy` if another worker has the image's model. Fail the image if no worker has it."""
    name = image.model_asked
    if name in await models.names(session, rules.model_gone_after):
        raise Busy(f"another worker has the model {name}", reason="model_elsewhere")
    message = f"The model {name} is not served any more."
    failure = inference_pb2.Failure(code="model_unavailable", message=message, retryable=True)
    await fail(session, image, failure, rules)


async def _exhaust(session: AsyncSession, image: Image, rules: Rules) -> None:
    """Fail the image. A dead letter stays, with which operators can give the image another chance."""
    message = f"The image could not be processed in {rules.attempts} attempts."
    await fail(session, image, inference_pb2.Failure(code=EXHAUSTED, message=message, retryable=True), rules)
    subject = DEAD_PRIORITY if image.is_priority else DEAD_STANDARD
    await outbox.publish(session, subject, pb.ImageSubmitted(image_id=image.id or 0))


async def fail(session: AsyncSession, image: Image, failure: inference_pb2.Failure, rules: Rules) -> None:
    _set_failed(image, failure)
    await batch_progress.ended(session, image, is_completed=False)
    await session.flush()
    measures.ended(session, image)
    await outbox.publish(session, "images.failed", ending(image))
    await dispatch(session, image.user_id, rules)


def _set_failed(image: Image, failure: inference_pb2.Failure) -> None:
    image.status = Status.FAILED
    image.failure_code = failure.code
    image.failure_message = failure.message
    image.failure_retryable = failure.retryable
    image.updated_at = now()


def ending(image: Image) -> pb.ImageEnded:
    return pb.ImageEnded(
        image_id=image.id or 0, user_id=image.user_id, reservation_id=str(image.reservation_id)
    )
