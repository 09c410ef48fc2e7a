"""A user's images: get, list, delete. Another user's image is not found."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from common.db import now
from images.domain import jobs
from images.tables import UNFINISHED, Image, Status


async def of_user(session: AsyncSession, user_id: int, image_id: int) -> Image:
    found = await session.exec(select(Image).where(Image.id == image_id, Image.user_id == user_id))
    image = found.one_or_none()
    if image is None:
        raise _not_found()
    return image


async def page(
    session: AsyncSession, user_id: int, status: Status | None, *, number: int, size: int
) -> tuple[Sequence[Image], int]:
    """One page, newest first, and how many images there are in all."""
    wanted = [col(Image.user_id) == user_id] + ([col(Image.status) == status] if status else [])
    total = (await session.exec(select(func.count()).select_from(Image).where(*wanted))).one()
    newest = select(Image).where(*wanted).order_by(col(Image.id).desc())
    rows = await session.exec(newest.limit(size).offset((number - 1) * size))
    return rows.all(), total


async def downloadable(session: AsyncSession, user_id: int, image_id: int) -> Image:
    image = await of_user(session, user_id, image_id)
    if image.status == Status.FAILED:
        raise errors.FailedPrecondition("Image processing failed", reason="image_failed")
    if image.status != Status.COMPLETED:
        raise errors.FailedPrecondition("Image is still processing", reason="image_processing")
    return image


async def delete(session: AsyncSession, user_id: int, image_id: int, rules: jobs.Rules) -> None:
    """Removes the row now and the objects soon after; unfinished work is cancelled."""
    await jobs.lock_user(session, user_id)
    found = await session.exec(
        select(Image).where(Image.id == image_id, Image.user_id == user_id).with_for_update()
    )
    image = found.one_or_none()
    if image is None:
        raise _not_found()
    if image.status in UNFINISHED:
        await jobs.cancel(session, image)
    await session.delete(image)
    await session.flush()
    await jobs.drop_objects(session, image.original_path, image.upscaled_path)
    await jobs.dispatch(session, user_id, rules)


async def exists(session: AsyncSession, reservation_id: uuid.UUID) -> bool:
    found = await session.exec(select(Image.id).where(Image.reservation_id == reservation_id))
    return found.one_or_none() is not None


async def with_ageing_reservations(session: AsyncSession, within: timedelta, limit: int) -> list[uuid.UUID]:
    """Reservations of unfinished images that would expire soon."""
    found = await session.exec(
        select(Image.reservation_id)
        .where(col(Image.status).in_(UNFINISHED), col(Image.reserved_until) < now() + within)
        .limit(limit)
    )
    return list(found.all())


async def set_reserved_until(
    session: AsyncSession, reservation_ids: Sequence[uuid.UUID], until: datetime
) -> None:
    await session.exec(
        update(Image).where(col(Image.reservation_id).in_(reservation_ids)).values(reserved_until=until)
    )


def _not_found() -> errors.NotFound:
    return errors.NotFound("Image not found.", reason="image_not_found")
