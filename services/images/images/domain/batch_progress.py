"""The progress of a batch. It is updated when one of its images starts or ends, under the lock of their user.

A cancelled batch stays cancelled until one of its images is retried.
"""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.tables import Batch, BatchStatus, Image


async def record_start(session: AsyncSession, image: Image) -> None:
    """Mark the batch as processing if this image is the first one to start."""
    batch = await _batch_of(session, image)
    if batch and batch.status == BatchStatus.PENDING:
        batch.status = BatchStatus.PROCESSING
        batch.updated_at = now()


async def record_end(session: AsyncSession, image: Image, *, is_completed: bool) -> None:
    """Count an image that completed or failed. The last one ends the batch."""
    batch = await _batch_of(session, image)
    if batch is None:
        return
    batch.completed_images += is_completed
    batch.failed_images += not is_completed
    batch.fetching_images -= not image.has_file
    if batch.status == BatchStatus.CANCELLED:
        return
    batch.status = _status_from_counts(batch)
    batch.updated_at = now()
    if batch.status != BatchStatus.PROCESSING:
        batch.completed_at = batch.updated_at


async def uncount_completed(session: AsyncSession, image: Image) -> None:
    """Take a completed image out of the count, because it is about to fail after all."""
    batch = await _batch_of(session, image)
    if batch:
        batch.completed_images -= 1


async def record_file(session: AsyncSession, image: Image) -> None:
    """Count that the file of this image is there."""
    batch = await _batch_of(session, image)
    if batch:
        batch.fetching_images -= 1
        batch.updated_at = now()


def record_refused(batch: Batch, count: int) -> None:
    """Count images of a new batch that failed at once. If they are all, the batch has ended."""
    batch.failed_images += count
    if batch.failed_images == batch.total_images:
        batch.status, batch.completed_at = BatchStatus.FAILED, batch.updated_at


def reopen(batch: Batch, images: Sequence[Image]) -> None:
    """Take failed images out of the count, because they are retried. The batch has not ended."""
    batch.failed_images -= len(images)
    batch.fetching_images += sum(not image.has_file for image in images)
    batch.status = BatchStatus.PROCESSING
    batch.completed_at = None
    batch.updated_at = now()


async def _batch_of(session: AsyncSession, image: Image) -> Batch | None:
    return await session.get(Batch, image.batch_id) if image.batch_id else None


def _status_from_counts(batch: Batch) -> BatchStatus:
    if batch.completed_images + batch.failed_images < batch.total_images:
        return BatchStatus.PROCESSING
    if batch.failed_images == 0:
        return BatchStatus.COMPLETED
    return BatchStatus.PARTIALLY_FAILED if batch.completed_images else BatchStatus.FAILED
