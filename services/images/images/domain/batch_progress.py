"""The progress of a batch. It is updated when one of its images starts or ends, under the lock of their user.

A cancelled batch stays as it is.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.tables import Batch, BatchStatus, Image


async def record_start(session: AsyncSession, image: Image) -> None:
    """Mark the batch as processing if this image is the first one to start."""
    batch = await _uncancelled_batch(session, image)
    if batch and batch.status == BatchStatus.PENDING:
        batch.status = BatchStatus.PROCESSING
        batch.updated_at = now()


async def record_end(session: AsyncSession, image: Image, *, is_completed: bool) -> None:
    """Count an image that completed or failed. The last one ends the batch."""
    batch = await _uncancelled_batch(session, image)
    if batch is None:
        return
    batch.completed_images += is_completed
    batch.failed_images += not is_completed
    batch.status = _status_from_counts(batch)
    batch.updated_at = now()
    if batch.status != BatchStatus.PROCESSING:
        batch.completed_at = batch.updated_at


async def uncount_completed(session: AsyncSession, image: Image) -> None:
    """Take a completed image out of the count, because it is about to fail after all."""
    batch = await _uncancelled_batch(session, image)
    if batch:
        batch.completed_images -= 1


async def reopen(session: AsyncSession, image: Image) -> None:
    """Take a failed image out of the count, because it is tried again."""
    batch = await _uncancelled_batch(session, image)
    if batch:
        batch.failed_images -= 1
        batch.status = BatchStatus.PROCESSING
        batch.completed_at = None
        batch.updated_at = now()


async def _uncancelled_batch(session: AsyncSession, image: Image) -> Batch | None:
    """Return the image's batch, or None if it has none or the batch was cancelled."""
    batch = await session.get(Batch, image.batch_id) if image.batch_id else None
    return batch if batch and batch.status != BatchStatus.CANCELLED else None


def _status_from_counts(batch: Batch) -> BatchStatus:
    if batch.completed_images + batch.failed_images < batch.total_images:
        return BatchStatus.PROCESSING
    if batch.failed_images == 0:
        return BatchStatus.COMPLETED
    return BatchStatus.PARTIALLY_FAILED if batch.completed_images else BatchStatus.FAILED
