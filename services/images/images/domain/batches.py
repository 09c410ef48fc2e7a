"""A user's batches: get, list, cancel, delete. Another user's batch counts as not found."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from common.db import now
from images.domain import expiry, fetches, jobs
from images.domain.pages import first_row
from images.recording import record
from images.tables import UNFINISHED, UNFINISHED_BATCH, Batch, BatchStatus, Image, Status
from loupe import refusals

MOST_SHOWN, MOST_SHOWN_IN_LISTS = 100, 20
"""The most images that are shown with their batch. A page of its images shows more."""
BatchWithImages = tuple[Batch, list[Image]]
"""A batch and its images in the order of their upload."""


async def get(
    session: AsyncSession, user_id: int, batch_id: int, *, with_images: bool = True
) -> BatchWithImages:
    """Return the user's batch, with its first 100 images. Raise `NotFound` if there is none."""
    batch = await _batch_of_user(session, user_id, batch_id)
    return batch, (await _images_of(session, [batch], MOST_SHOWN))[batch_id] if with_images else []


async def all_images(session: AsyncSession, user_id: int, batch_id: int) -> Sequence[Image]:
    """Return all images of the user's batch. Raise `NotFound` if there is none."""
    await _batch_of_user(session, user_id, batch_id)
    conditions = (col(Image.batch_id) == batch_id, expiry.is_kept())
    return (await session.exec(select(Image).where(*conditions).order_by(col(Image.id)))).all()


async def page(
    session: AsyncSession, user_id: int, status: BatchStatus | None, *, number: int, size: int
) -> tuple[list[BatchWithImages], int]:
    """Return one page, newest first and counted from 1, and the number of batches on all pages.

    Each batch has its first 20 images.
    Batches are counted and skipped one by one, unlike images (`pages`), because there are far fewer of them.
    """
    offset = first_row(number, size)
    conditions = [col(Batch.user_id) == user_id] + ([col(Batch.status) == status] if status else [])
    total = (await session.exec(select(func.count()).select_from(Batch).where(*conditions))).one()
    newest = select(Batch).where(*conditions).order_by(col(Batch.id).desc())
    batches = (await session.exec(newest.limit(size).offset(offset))).all()
    images = await _images_of(session, batches, MOST_SHOWN_IN_LISTS)
    return [(batch, images[batch.id or 0]) for batch in batches], total


async def image_page(
    session: AsyncSession, user_id: int, batch_id: int, status: Status | None, *, number: int, size: int
) -> tuple[list[Image], int]:
    """Return one page of the batch's images, in the order of their upload, and their number on all pages.

    Raise `NotFound` if the user has no such batch.
    """
    offset = first_row(number, size)
    await _batch_of_user(session, user_id, batch_id)
    conditions = [col(Image.batch_id) == batch_id, expiry.is_kept()]
    conditions += [col(Image.status) == status] if status else []
    total = (await session.exec(select(func.count()).select_from(Image).where(*conditions))).one()
    found = select(Image).where(*conditions).order_by(col(Image.id)).limit(size).offset(offset)
    return list((await session.exec(found)).all()), total


async def cancel_or_delete(session: AsyncSession, user_id: int, batch_id: int, rules: jobs.Rules) -> bool:
    """Cancel an unfinished batch, or delete an ended one with all its images. Return whether it was
    cancelled.

    Raise `NotFound` if the user has no such batch.
    """
    await jobs.lock_user(session, user_id)
    batch = await _batch_of_user(session, user_id, batch_id)
    statement = select(Image).where(Image.batch_id == batch_id).order_by(col(Image.id)).with_for_update()
    images = (await session.exec(statement)).all()
    is_unfinished = batch.status in UNFINISHED_BATCH
    await fetches.forget(session, [image.id or 0 for image in images if not image.has_file])
    for image in images:
        if image.status in UNFINISHED:
            await jobs.cancel(session, image)
    # no query stands before the next line: it would write that the batch has failed
    if is_unfinished:
        batch.status = BatchStatus.CANCELLED
        batch.completed_at = batch.updated_at = now()
    else:
        await _remove(session, batch, images)
    await session.flush()
    name = "batch.cancelled" if is_unfinished else "batch.deleted"
    await record(session, name, user_id=user_id, batch_id=batch_id, images=len(images))
    await jobs.dispatch(session, user_id, rules)
    return is_unfinished


async def _remove(session: AsyncSession, batch: Batch, images: Sequence[Image]) -> None:
    await fetches.drop_uploads(session, images)
    for image in images:
        await session.delete(image)
    await session.flush()
    await session.delete(batch)
    if images:
        await jobs.drop_objects(session, *jobs.object_keys(images))


async def _batch_of_user(session: AsyncSession, user_id: int, batch_id: int) -> Batch:
    found = await session.exec(select(Batch).where(Batch.id == batch_id, Batch.user_id == user_id))
    batch = found.one_or_none()
    if batch is None:
        raise errors.refused(refusals.BATCH_NOT_FOUND)
    return batch


async def _images_of(session: AsyncSession, batches: Iterable[Batch], most: int) -> dict[int, list[Image]]:
    """Return the first `most` images of each batch, in the order of their upload."""
    images: dict[int, list[Image]] = {batch.id or 0: [] for batch in batches}
    first = (
        select(Image.id)
        .where(Image.batch_id == Batch.id, expiry.is_kept())
        .order_by(col(Image.id))
        .limit(most)
        .correlate(Batch)
        .lateral()
    )
    ids = select(first.c.id).select_from(Batch).join(first, sa.true()).where(col(Batch.id).in_(images))
    found = await session.exec(select(Image).where(col(Image.id).in_(ids)).order_by(col(Image.id)))
    for image in found.all():
        images[image.batch_id or 0].append(image)
    return images
