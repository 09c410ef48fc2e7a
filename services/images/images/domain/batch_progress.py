"""The progress of a batch. It is updated when one of its images starts or ends, under the lock of their user.

A cancelled batch stays as it is.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.tables import Batch, BatchStatus, Image


async def started(session: AsyncSession, image: Image) -> None:
    batch = await _batch_of(session, image)
    if batch and batch.status == BatchStatus.PENDING:
        batch.status = BatchStatus.PROCESSING
        batch.updated_at = now()


async def ended(session: AsyncSession, image: Image, *, is_completed: bool) -> None:
    batch = await _batch_of(session, image)
    if batch is None:
        return
    batch.completed_images += is_completed
    batch.failed_images += not is_completed
    batch.status = _status_from_counts(batch)
    batch.updated_at = now()
    if batch.status != BatchStatus.PROCESSING:
        batch.completed_at = batch.updated_at


async def uncompleted(session: AsyncSession, image: Image) -> None:
    """Take a completed image out of the count, because it is about to fail after all."""
    batch = await _batch_of(session, image)
    if batch:
        batch.completed_images -= 1


async def reopened(session: AsyncSession, image: Image) -> None:
    """Take a failed image out of the count, because it is tried again."""
    batch = await _batch_of(session, image)
    if batch:
        batch.failed_images -= 1
        batch.status = BatchStatus.PROCESSING
        batch.completed_at = None
        batch.updated_at = now()


async def _batch_of(session: AsyncSession, image: Image) -> Batch | None:
    """Return the image's batch, or None if it has none or the batch was cancelled."""
    batch = await session.get(Batch, image.batch_id) if image.batch_id else None
    return batch if batch and batch.status != BatchStatus.CANCELLED else None


def _status_from_counts(batch: Batch) -> BatchStatus:
    if batch.completed_images + batch.failed_images < batch.total_images:
        return BatchStatus.PROCESSING
    if batch.failed_images == 0:
        return BatchStatus.COMPLETED
    return BatchStatus.PARTIALLY_FAILED if batch.completed_images else BatchStatus.FAILED
