"""A user's images: add, get, delete. Another user's image counts as not found."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors, trace
from common.db import now
from imagefile.formats import FORMATS, extension
from images.domain import counters, deleted_users, expiry, fetches, jobs, previews
from images.recording import record
from images.tables import UNFINISHED, Batch, Image, Status
from loupe import refusals


async def get(session: AsyncSession, user_id: int, image_id: int) -> Image:
    """Return the user's image. Raise `NotFound` if there is none."""
    found = await session.exec(
        select(Image).where(Image.id == image_id, Image.user_id == user_id, expiry.is_kept())
    )
    image = found.one_or_none()
    if image is None:
        raise _not_found()
    return image


async def add(
    session: AsyncSession,
    user_id: int,
    images: Sequence[Image],
    rules: jobs.Rules,
    batch: Batch | None = None,
) -> None:
    """Insert new images, and their batch if there is one, and dispatch as many as the window allows.

    The user's lock is taken before the creation time is read, so that ids and creation times are in the same
    order. Raise `Unauthenticated` if the account was deleted.
    """
    await jobs.lock_user(session, user_id)
    await deleted_users.refuse_deleted(session, user_id)
    created_at = now()
    if batch:
        batch.created_at = batch.updated_at = created_at
        session.add(batch)
        await session.flush()
    for image in images:
        image.created_at = image.updated_at = created_at
        image.batch_id = batch.id if batch else None
        image.request_id, image.trace_parent = trace.current_origin()
    session.add_all(images)
    await session.flush()
    counters.count_accepted(session, images)
    await jobs.dispatch(session, user_id, rules)


async def get_many(session: AsyncSession, image_ids: Sequence[int]) -> dict[int, Image]:
    """Return the images that exist, by id and without regard to their users."""
    found = await session.exec(select(Image).where(col(Image.id).in_(image_ids)))
    return {image.id or 0: image for image in found.all()}


async def keys_without_image(session: AsyncSession, keys: Iterable[str]) -> list[str]:
    """Return the keys that belong to no image.

    The keys of an image's objects share their random part. Only the original's key has an index in the
    database, so derive the possible originals of each key and look those up.
    """
    stems = {key: previews.stem_of(key) for key in keys}
    originals = [
        f"images/originals/{stem}.{extension(each)}" for stem in set(stems.values()) for each in FORMATS
    ]
    found = await session.exec(select(Image.original_path).where(col(Image.original_path).in_(originals)))
    known_stems = {previews.stem_of(key) for key in found.all()}
    return [key for key, stem in stems.items() if stem not in known_stems]


async def get_completed(session: AsyncSession, user_id: int, image_id: int) -> Image:
    """Return the user's image. Raise `NotFound`, or `FailedPrecondition` if it has no result."""
    image = await get(session, user_id, image_id)
    if image.status == Status.FAILED:
        raise errors.refused(refusals.IMAGE_FAILED)
    if image.status != Status.COMPLETED:
        raise errors.refused(refusals.IMAGE_PROCESSING)
    return image


async def delete(session: AsyncSession, user_id: int, image_id: int, rules: jobs.Rules) -> None:
    """Delete the row now and the objects soon after. Unfinished work is cancelled."""
    await jobs.lock_user(session, user_id)
    found = await session.exec(
        select(Image)
        .where(Image.id == image_id, Image.user_id == user_id, expiry.is_kept())
        .with_for_update()
    )
    image = found.one_or_none()
    if image is None:
        raise _not_found()
    if image.status in UNFINISHED:
        await jobs.cancel(session, image)
    await fetches.drop_uploads(session, [image])
    await session.delete(image)
    await session.flush()
    await jobs.drop_objects(session, *jobs.object_keys([image]))
    await record(session, "image.deleted", user_id=user_id, image_id=image_id)
    await jobs.dispatch(session, user_id, rules)


async def expiring_reservations(session: AsyncSession, within: timedelta, limit: int) -> list[uuid.UUID]:
    """Return up to `limit` reservations of unfinished images that expire within this time."""
    found = await session.exec(
        select(Image.reservation_id)
        .where(col(Image.status).in_(UNFINISHED), col(Image.reserved_until) < now() + within)
        .limit(limit)
    )
    return list(found.all())


async def set_reserved_until(
    session: AsyncSession, reservation_ids: Sequence[uuid.UUID], until: datetime
) -> None:
    """Store until when these reservations are now valid. Skip rows that another transaction has locked."""
    has_reservation = col(Image.reservation_id).in_(reservation_ids)
    found = (
        select(Image.id)
        .where(col(Image.status).in_(UNFINISHED), has_reservation)
        .with_for_update(skip_locked=True)
    )
    await session.exec(update(Image).where(col(Image.id).in_(found)).values(reserved_until=until))


def _not_found() -> errors.ServiceError:
    return errors.refused(refusals.IMAGE_NOT_FOUND)
