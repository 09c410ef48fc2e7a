"""Images in numbers: what is counted once its transaction has committed, and gauges of what is unfinished.

No label names a user or an image. Failures are named by their code, of which there are a few.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from prometheus_client import Counter, Gauge, Histogram
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import Sessions, on_commit
from images.tables import UNFINISHED, Image, Status

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)
UNFINISHED_WORK = sa.text("""
    SELECT status, count(*) AS images,
        sum(upscaled_width::float8 * upscaled_height * (100 - progress)) / 1e8 AS megapixels,
        extract(epoch FROM now() - min(created_at)) AS seconds
    FROM image WHERE status IN ('pending', 'processing') GROUP BY status
""")
"""Reads what the partial index of unfinished images leads to, and no other of the table."""

accepted_images = Counter("loupe_images_accepted_total", "Images that were accepted", ["queue"])
finished_images = Counter("loupe_images_finished_total", "Images that ended", ["outcome", "code"])
attempts = Counter("loupe_image_attempts_total", "Starts of work on an image", ["attempt"])
queue_seconds = Histogram(
    "loupe_image_queue_seconds", "From accepted to the first start", ["queue"], buckets=BUCKETS
)
work_seconds = Histogram(
    "loupe_image_work_seconds", "From claimed to stored, of completed images", buckets=BUCKETS
)
unfinished = Gauge("loupe_images_unfinished", "Images that wait or are worked on", ["status"])
oldest_seconds = Gauge("loupe_images_oldest_seconds", "Age of the oldest image of that status", ["status"])
queued_work = Gauge(
    "loupe_queued_work_megapixels",
    "Work that workers have yet to do: pixels of results, less what is done of those under way",
)


def accepted(session: AsyncSession, images: Sequence[Image]) -> None:
    queues = [_queue(image) for image in images]

    def count() -> None:
        for queue in queues:
            accepted_images.labels(queue).inc()

    on_commit(session, count)


def started(session: AsyncSession, image: Image) -> None:
    """The time in the queue is that before the first attempt."""
    is_first = image.attempt == 1
    waited = (image.started_at - image.created_at).total_seconds() if image.started_at else 0.0
    queue = _queue(image)

    def count() -> None:
        attempts.labels("first" if is_first else "another").inc()
        if is_first:
            queue_seconds.labels(queue).observe(max(0.0, waited))

    on_commit(session, count)


def ended(session: AsyncSession, image: Image) -> None:
    code = "none" if image.status == Status.COMPLETED else image.failure_code or "unknown"
    outcome = code if code == "cancelled" else image.status.value
    seconds = image.processing_seconds if image.status == Status.COMPLETED else None

    def count() -> None:
        finished_images.labels(outcome, code).inc()
        if seconds is not None:
            work_seconds.observe(seconds)

    on_commit(session, count)


async def measure(sessions: Sessions) -> None:
    """Brings the gauges up to date."""
    async with sessions.begin() as session:
        connection = await session.connection()
        found: dict[str, Any] = {row.status: row for row in await connection.execute(UNFINISHED_WORK)}
    for status in UNFINISHED:
        row = found.get(status)
        unfinished.labels(status.value).set(row.images if row else 0)
        oldest_seconds.labels(status.value).set(max(0.0, float(row.seconds)) if row else 0)
    queued_work.set(sum(row.megapixels for row in found.values()))


def _queue(image: Image) -> str:
    return "priority" if image.is_priority else "standard"
