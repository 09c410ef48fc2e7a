"""Makes failed images pending again, under their old ids. Each needs a new place in the quota.

The failure's code says whether a retry may succeed. Earlier attempts no longer count, but the fence keeps
growing, so a late result of one of them changes nothing.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client import Counter
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from common.db import now, on_commit
from images.domain import batch_progress, batches, expiry, fetches, jobs
from images.tables import NO_FILE_TURN, Batch, Image, Status
from loupe import refusals

MOST_EARLIER_FAILURES = 20
"""The most failures of an image that are stored. The oldest go first."""

retried_images = Counter("loupe_images_retried_total", "Failed images that were queued again", ["code"])


@dataclass(frozen=True, slots=True)
class Place:
    """A reservation in the month's quota, and the queue that the plan puts the image into."""

    reservation_id: uuid.UUID
    reserved_until: datetime
    is_priority: bool
    retention_seconds: int | None = None
    """Time from the end of the image until the plan deletes it. None: it is kept until a user deletes it."""


def is_retryable(image: Image) -> bool:
    """Return whether the image failed, and may succeed with another try."""
    return image.status == Status.FAILED and bool(image.failure_retryable) and not expiry.has_expired(image)


def require_retryable(image: Image) -> None:
    """Raise `AlreadyExists` if the image has not failed, or would fail again."""
    if image.status != Status.FAILED:
        raise errors.refused(refusals.NOTHING_TO_RETRY)
    if not is_retryable(image):
        raise errors.refused(refusals.NOT_RETRYABLE, reason=image.failure_message or "")


async def retryable_of_batch(session: AsyncSession, user_id: int, batch_id: int) -> list[Image]:
    """Return the images of the user's batch that can be retried. Raise `NotFound` if there is no batch."""
    images = await batches.all_images(session, user_id, batch_id)
    return [image for image in images if is_retryable(image)]


async def retry(session: AsyncSession, image_id: int, place: Place, rules: jobs.Rules) -> Image | None:
    """Make a failed image pending again. Return None, and change nothing, if it cannot be retried (now)."""
    image = await jobs.lock_image(session, image_id)
    if image is None or not is_retryable(image):
        return None
    await _reopen(session, [image], [place], rules)
    return image


async def retry_several(
    session: AsyncSession, user_id: int, image_ids: Sequence[int], places: Sequence[Place], rules: jobs.Rules
) -> bool:
    """Make these failed images of one user pending again.

    Return False, and change nothing, if one of them cannot be retried (any more).
    """
    await jobs.lock_user(session, user_id)
    statement = select(Image).where(col(Image.id).in_(image_ids)).order_by(col(Image.id)).with_for_update()
    images = (await session.exec(statement)).all()
    if len(images) != len(image_ids) or not all(is_retryable(image) for image in images):
        return False
    await _reopen(session, images, places, rules)
    return True


async def _reopen(
    session: AsyncSession, images: Sequence[Image], places: Sequence[Place], rules: jobs.Rules
) -> None:
    """Make the images pending. The caller must hold the lock of their user."""
    batch = await session.get(Batch, images[0].batch_id) if images[0].batch_id else None
    for image, place in zip(images, places, strict=True):
        _count(session, image)
        _make_pending(image, place)
    await fetches.begin_again(session, images)
    if batch:
        batch_progress.reopen(batch, images)
    await session.flush()
    await jobs.dispatch(session, images[0].user_id, rules)


def _make_pending(image: Image, place: Place) -> None:
    earlier = [*(image.earlier_failures or ()), _failure_of(image)]
    image.earlier_failures = earlier[-MOST_EARLIER_FAILURES:]
    image.failure_code = image.failure_message = image.failure_retryable = None
    image.status, image.progress = Status.PENDING, 0
    image.reservation_id, image.reserved_until = place.reservation_id, place.reserved_until
    image.is_priority, image.turn = place.is_priority, 0.0 if image.has_file else NO_FILE_TURN
    image.attempts_from, image.excused = image.attempt, 0
    image.dispatched_at = image.started_at = image.heartbeat_at = None
    image.upscaled_bytes = image.processing_seconds = image.previews = None
    image.model_used = image.model_reason = image.model_message = None
    image.precision_used = image.denoise_used = image.strength_used = None
    image.expires_at = None
    image.retried_at = image.updated_at = now()


def _failure_of(image: Image) -> dict[str, Any]:
    return {
        "code": image.failure_code or "",
        "message": image.failure_message or "",
        "retryable": bool(image.failure_retryable),
        "attempts": image.attempt - image.attempts_from,
        "failed_at": image.updated_at.isoformat(),
    }


def _count(session: AsyncSession, image: Image) -> None:
    code = image.failure_code or "unknown"
    on_commit(session, lambda: retried_images.labels(code).inc())
