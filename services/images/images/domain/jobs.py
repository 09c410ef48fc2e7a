"""From accepted to ended: which images go into the stream, who works on them, and how they end.

JetStream is first in, first out, so fairness is made here: only a few unfinished images of a user are in the
stream. Attempts are counted here too; each is the fence of its work, and an older fence changes nothing.
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

DEAD_JOB = "dead.JOBS.inference"
"""As `common.bus` names it; attempts are counted here, so it is published here."""
EXHAUSTED = "attempts_exhausted"
CANCELLED = "The image was cancelled."
MOST_EXCUSED = 20
"""A picture during which something dies that often is taken for the cause."""
ONE_USER_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(:user_id)")
OWNER_LOCKED = sa.text("SELECT pg_advisory_xact_lock(user_id) FROM image WHERE id = :image_id")
"""The same, of the image's user."""
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
    """Another worker is at it, or must be; asking again later is right."""


@dataclass(frozen=True, slots=True)
class Rules:
    window: int
    """Unfinished images of one user in the stream at a time."""
    attempts: int
    silent: timedelta
    """A worker that has not called for this long no longer owns its image."""
    model_gone_after: timedelta = timedelta(minutes=1)
    """A model that workers announced without for this long is served no more."""


async def dispatch(session: AsyncSession, user_id: int, rules: Rules) -> None:
    """Puts the user's oldest waiting images into the stream, as far as the window allows. The caller has
    the user's lock.
    """
    connection = await session.connection()
    rows = await connection.execute(DISPATCH, {"user_id": user_id, "window": rules.window})
    for image_id, is_priority, *origin in rows.all():
        subject = "images.submitted.priority" if is_priority else "images.submitted.standard"
        event = pb.ImageSubmitted(image_id=image_id)
        await outbox.publish(session, subject, event, origin=trace.Origin(*origin))


async def lock_user(session: AsyncSession, user_id: int) -> None:
    """Whoever adds, ends or deletes a user's images does so alone, and takes this lock before any row's."""
    connection = await session.connection()
    await connection.execute(ONE_USER_AT_A_TIME, {"user_id": user_id})


async def start(
    session: AsyncSession, image_id: int, rules: Rules, served: Collection[str] = USUAL
) -> Image | None:
    """Counts an attempt and gives the image to the caller, who serves these models; None where it wants no
    work any more.
    """
    image = await locked(session, image_id)
    if image is None or image.status not in UNFINISHED:
        return None
    if image.status == Status.PROCESSING and not _is_silent(image, rules):
        raise Busy(f"image {image_id} is being worked on", reason="image_busy")
    if image.model_asked not in served:
        await _find_nobody(session, image, rules)
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
    """The worker gave up this attempt: nobody owns the image until the next one starts."""
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
    """A sign of life of the worker; false where its work is not wanted any more.

    One that was only thought lost has its image again, as long as no other has begun.
    """
    kept = await session.exec(
        update(Image)
        .where(col(Image.id) == image_id, col(Image.status).in_(UNFINISHED), col(Image.attempt) == fence)
        .values(heartbeat_at=now(), status=Status.PROCESSING, progress=min(99, max(0, percent)))
        .returning(col(Image.id))
    )
    return kept.one_or_none() is not None


async def finish(session: AsyncSession, finished: inference_pb2.Finished, rules: Rules) -> None:
    """Applies a result. The second time, and with an older fence, nothing changes."""
    image = await locked(session, finished.image_id)
    if image is None:
        await drop_objects(session, finished.upscaled_path)
    elif image.status in UNFINISHED and image.attempt == finished.fence:
        if finished.HasField("output"):
            await _complete(session, image, finished.output, rules)
        else:
            await fail(session, image, finished.failure, rules)


async def cancel(session: AsyncSession, image: Image) -> None:
    """The image ends without a result: its quota goes back, and its worker stops."""
    _set_failed(image, inference_pb2.Failure(code="cancelled", message=CANCELLED, retryable=True))
    await batch_progress.ended(session, image, is_completed=False)
    measures.ended(session, image)
    await outbox.publish(session, "images.cancelled", ending(image))


async def revive(
    session: AsyncSession, image_id: int, reservation_id: uuid.UUID, reserved_until: datetime, rules: Rules
) -> bool:
    """Makes an image that had used up its attempts wait again, with as many; whether there is such a one.

    Its old reservation was released when it failed.
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
    """Makes images whose worker fell silent wait again; gives their users, to dispatch for."""
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
    """Makes images that were dispatched that long ago and never started wait again; gives their users.

    For when the stream is known to hold nothing, or after so long that a second copy does no harm.
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
    owner = await connection.execute(OWNER_LOCKED, {"image_id": image_id})
    if owner.one_or_none() is None:
        return None
    found = await session.exec(select(Image).where(Image.id == image_id).with_for_update())
    return found.one_or_none()


def _is_free(*wanted: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """For changes of many users' images, without their locks: what another changes now is left alone, so that
    nobody waits for each other.
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


async def _find_nobody(session: AsyncSession, image: Image, rules: Rules) -> None:
    """Fails an image whose model no worker has any more: another one is not what was asked for."""
    name = image.model_asked
    if name in await models.names(session, rules.model_gone_after):
        raise Busy(f"another worker has the model {name}", reason="model_elsewhere")
    message = f"The model {name} is not served any more."
    failure = inference_pb2.Failure(code="model_unavailable", message=message, retryable=True)
    await fail(session, image, failure, rules)


async def _exhaust(session: AsyncSession, image: Image, rules: Rules) -> None:
    """A message for operators stays, with which they can give it another chance."""
    message = f"The image could not be processed in {rules.attempts} attempts."
    await fail(session, image, inference_pb2.Failure(code=EXHAUSTED, message=message, retryable=True), rules)
    await outbox.publish(session, DEAD_JOB, pb.ImageSubmitted(image_id=image.id or 0))


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
