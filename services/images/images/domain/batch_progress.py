"""How far a batch has come, told by its images as they start and end, under the lock of their user.

A cancelled batch stays as it is.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.tables import Batch, BatchStatus, Image


async def started(session: AsyncSession, image: Image) -> None:
    batch = await _of(session, image)
    if batch and batch.status == BatchStatus.PENDING:
        batch.status = BatchStatus.PROCESSING
        batch.updated_at = now()


async def ended(session: AsyncSession, image: Image, *, is_completed: bool) -> None:
    batch = await _of(session, image)
    if batch is None:
        return
    batch.completed_images += is_completed
    batch.failed_images += not is_completed
    batch.status = _status(batch)
    batch.updated_at = now()
    if batch.status != BatchStatus.PROCESSING:
        batch.completed_at = batch.updated_at


async def uncompleted(session: AsyncSession, image: Image) -> None:
    """One that had completed ends in another way after all."""
    batch = await _of(session, image)
    if batch:
        batch.completed_images -= 1


async def reopened(session: AsyncSession, image: Image) -> None:
    """One that had failed is unfinished again."""
    batch = await _of(session, image)
    if batch:
        batch.failed_images -= 1
        batch.status = BatchStatus.PROCESSING
        batch.completed_at = None
        batch.updated_at = now()


async def _of(session: AsyncSession, image: Image) -> Batch | None:
    batch = await session.get(Batch, image.batch_id) if image.batch_id else None
    return batch if batch and batch.status != BatchStatus.CANCELLED else None


def _status(batch: Batch) -> BatchStatus:
    if batch.completed_images + batch.failed_images < batch.total_images:
        return BatchStatus.PROCESSING
    if batch.failed_images == 0:
        return BatchStatus.COMPLETED
    return BatchStatus.PARTIALLY_FAILED if batch.completed_images else BatchStatus.FAILED
