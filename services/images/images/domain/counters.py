"""Counters of images that were accepted, started and ended. They count once the transaction has committed.

No label names a user or an image. Failures are labelled by their code, of which there are only a few.
"""

from collections.abc import Sequence

from prometheus_client import Counter, Histogram
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import on_commit
from images.tables import Image, Status

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)

accepted_images = Counter("loupe_images_accepted_total", "Images that were accepted", ["queue"])
finished_images = Counter("loupe_images_finished_total", "Images that ended", ["outcome", "code"])
attempts = Counter("loupe_image_attempts_total", "Starts of work on an image", ["attempt"])
queue_seconds = Histogram(
    "loupe_image_queue_seconds", "From accepted to the first start", ["queue"], buckets=BUCKETS
)
work_seconds = Histogram(
    "loupe_image_work_seconds", "From claimed to stored, of completed images", buckets=BUCKETS
)


def count_accepted(session: AsyncSession, images: Sequence[Image]) -> None:
    queues = [_queue(image) for image in images]

    def count() -> None:
        for queue in queues:
            accepted_images.labels(queue).inc()

    on_commit(session, count)


def count_start(session: AsyncSession, image: Image) -> None:
    """Count the start of an attempt. The first one also ends the time in the queue."""
    is_first = image.attempt == 1
    waited = (image.started_at - image.created_at).total_seconds() if image.started_at else 0.0
    queue = _queue(image)

    def count() -> None:
        attempts.labels("first" if is_first else "another").inc()
        if is_first:
            queue_seconds.labels(queue).observe(max(0.0, waited))

    on_commit(session, count)


def count_end(session: AsyncSession, image: Image) -> None:
    code = "none" if image.status == Status.COMPLETED else image.failure_code or "unknown"
    outcome = code if code == "cancelled" else image.status.value
    seconds = image.processing_seconds if image.status == Status.COMPLETED else None

    def count() -> None:
        finished_images.labels(outcome, code).inc()
        if seconds is not None:
            work_seconds.observe(seconds)

    on_commit(session, count)


def _queue(image: Image) -> str:
    return "priority" if image.is_priority else "standard"
