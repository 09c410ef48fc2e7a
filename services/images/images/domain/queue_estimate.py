"""Estimates an image's position in the queue, and the seconds until its result.

The estimate uses the speed that the workers announce. If no worker runs, it adds the time that a worker takes
to start.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.tables import UNFINISHED, Image, Status, Worker

GONE_AFTER = timedelta(minutes=1)
"""A worker that has not announced itself for this long no longer runs."""
REMEMBERED_FOR = timedelta(days=30)
"""How long a worker's last announcement is stored, as the expected speed of the next worker."""
LONGEST_WAIT_SECONDS = 7 * 86_400
"""Limit for estimates. After hours of failures the speed is near zero, and the estimate would be absurd."""
READ_QUEUE = sa.text("""
    SELECT
        coalesce(array_agg(id ORDER BY queue_position) FILTER (WHERE waits), '{}') AS waiting,
        coalesce(array_agg(megapixels ORDER BY queue_position) FILTER (WHERE waits), '{}') AS megapixels,
        count(*) FILTER (WHERE waits AND is_priority) AS priority_count,
        count(*) FILTER (WHERE NOT waits) AS processing_count,
        coalesce(sum(megapixels) FILTER (WHERE NOT waits), 0) AS megapixels_under_way
    FROM (
        SELECT id, is_priority, status = 'pending' AS waits,
            row_number() OVER (ORDER BY NOT is_priority, dispatched_at, id) AS queue_position,
            upscaled_width::float8 * upscaled_height * (100 - progress) / 1e8 AS megapixels
        FROM image WHERE status IN ('pending', 'processing')
    ) AS unfinished
""")
"""Reads only rows in the partial index of unfinished images."""
READ_WORKERS = sa.text("""
    SELECT megapixels_per_second, announced_at > :alive AS is_alive FROM worker ORDER BY announced_at DESC
""")


@dataclass(frozen=True, slots=True)
class Speed:
    """The speed at which the workers make results."""

    megapixels_per_second: float | None
    """Speed of all running workers together, or the expected speed of the next one if none runs.

    None if no worker has ever announced its speed.
    """
    start_seconds: float = 0.0
    """Seconds until a worker runs, or 0 if one does."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue at the moment when it was read."""

    positions: dict[int, int]
    """Positions of the pending images by their ids, counted from 1."""
    priority_count: int
    """How many pending images are in the priority queue, whose positions come first."""
    megapixels_until: Sequence[float]
    """Megapixels of results to make before and including each position. Entry 0 is the work under way."""
    processing_count: int
    """How many images are being worked on."""
    speed: Speed

    def position(self, image: Image) -> int | None:
        """Return the image's position, or None if it is not pending.

        An image that is newer than this reading of the queue counts as the last one of its queue.
        """
        if image.status != Status.PENDING:
            return None
        last = self.priority_count if image.is_priority else len(self.positions)
        return self.positions.get(image.id or 0, last + 1)

    def seconds(self, image: Image) -> int | None:
        """Return the seconds until the image's result, at least 1.

        Return None if the image is finished, or if no worker has ever announced its speed.
        """
        speed = self.speed.megapixels_per_second
        if image.status not in UNFINISHED or not speed:
            return None
        own = image.upscaled_width * image.upscaled_height * (100 - image.progress) / 1e8
        position = self.position(image)
        if position is None:  # it shares the workers with the other images under way
            megapixels = own * max(1, self.processing_count)
        else:
            megapixels = self.megapixels_until[position - 1] + own
        return max(1, math.ceil(min(self.speed.start_seconds + megapixels / speed, LONGEST_WAIT_SECONDS)))

    def with_added(self, images: Sequence[Image]) -> "Queue":
        """Return the queue for these new images at its end. All of them must be in the same queue."""
        last = self.priority_count if images[0].is_priority else len(self.positions)
        own = (image.upscaled_width * image.upscaled_height / 1e6 for image in images)
        until = self.megapixels_until
        return replace(
            self,
            positions={image.id or 0: position for position, image in enumerate(images, start=last + 1)},
            megapixels_until=[*until[:last], *accumulate(own, initial=until[last])],
        )


async def read(session: AsyncSession, cold_start: timedelta) -> Queue:
    """Read the queue. `cold_start` is the time that a worker takes to start."""
    connection = await session.connection()
    found = (await connection.execute(READ_QUEUE)).one()
    return Queue(
        positions={image_id: position for position, image_id in enumerate(found.waiting, start=1)},
        priority_count=found.priority_count,
        megapixels_until=list(accumulate(found.megapixels, initial=found.megapixels_under_way)),
        processing_count=found.processing_count,
        speed=await _read_speed(session, cold_start),
    )


async def announce_worker(session: AsyncSession, name: str, megapixels_per_second: float | None) -> None:
    """Store a worker's speed, None if it has not made a result yet, and delete very old announcements."""
    connection = await session.connection()
    values = {"megapixels_per_second": megapixels_per_second, "announced_at": now()}
    row = insert(Worker).values(name=name, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))
    await session.exec(delete(Worker).where(col(Worker.announced_at) < now() - REMEMBERED_FOR))


async def _read_speed(session: AsyncSession, cold_start: timedelta) -> Speed:
    """Return the workers' speed. A worker without a speed counts with the speed that was announced last."""
    connection = await session.connection()
    workers = (await connection.execute(READ_WORKERS, {"alive": now() - GONE_AFTER})).all()
    alive = [worker for worker in workers if worker.is_alive]
    start_seconds = 0.0 if alive else cold_start.total_seconds()
    last_speed = next(
        (worker.megapixels_per_second for worker in workers if worker.megapixels_per_second), None
    )
    if last_speed is None:
        return Speed(None, start_seconds)
    return Speed(
        sum(worker.megapixels_per_second or last_speed for worker in alive) or last_speed, start_seconds
    )
