"""An image's place in the queue, and the seconds until its result.

The estimate takes the speed that the workers announce. If no worker runs, it adds the time that one takes to
start.
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
LONGEST_WAIT_SECONDS = 7 * 86_400
"""Limit for estimates. Hours of failures leave a speed near zero, which says nothing about the wait."""
QUEUE = sa.text("""
    SELECT
        coalesce(array_agg(id ORDER BY place) FILTER (WHERE waits), '{}') AS waiting,
        coalesce(array_agg(megapixels ORDER BY place) FILTER (WHERE waits), '{}') AS megapixels,
        count(*) FILTER (WHERE waits AND is_priority) AS priority,
        count(*) FILTER (WHERE NOT waits) AS under_way,
        coalesce(sum(megapixels) FILTER (WHERE NOT waits), 0) AS megapixels_under_way
    FROM (
        SELECT id, is_priority, status = 'pending' AS waits,
            row_number() OVER (ORDER BY NOT is_priority, dispatched_at, id) AS place,
            upscaled_width::float8 * upscaled_height * (100 - progress) / 1e8 AS megapixels
        FROM image WHERE status IN ('pending', 'processing')
    ) AS unfinished
""")
"""Reads only rows in the partial index of unfinished images."""
WORKERS = sa.text("""
    SELECT megapixels_per_second, announced_at > :alive AS is_alive FROM worker ORDER BY announced_at DESC
""")


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast results are made."""

    megapixels_per_second: float | None
    """Of all running workers together, or of the one that will start. None if no worker ever announced it."""
    start_seconds: float = 0.0
    """Seconds until a worker runs; 0 if one does."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue at the moment when it was read."""

    places: dict[int, int]
    """Places of the waiting images by their ids, counted from 1."""
    priority: int
    """How many of the places belong to the priority queue, which comes first."""
    work: Sequence[float]
    """Megapixels of results to make up to each place. Entry 0 is the work under way."""
    under_way: int
    """How many images are being worked on."""
    speed: Speed

    def position(self, image: Image) -> int | None:
        """Return the image's place, or None if it does not wait. A newer image stands last in its queue."""
        if image.status != Status.PENDING:
            return None
        last = self.priority if image.is_priority else len(self.places)
        return self.places.get(image.id or 0, last + 1)

    def seconds(self, image: Image) -> int | None:
        """Return the seconds until the image's result, at least 1.

        None if the image is finished, or if no worker ever announced its speed.
        """
        speed = self.speed.megapixels_per_second
        if image.status not in UNFINISHED or not speed:
            return None
        own = image.upscaled_width * image.upscaled_height * (100 - image.progress) / 1e8
        place = self.position(image)
        work = self.work[place - 1] + own if place else own * max(1, self.under_way)
        return max(1, math.ceil(min(self.speed.start_seconds + work / speed, LONGEST_WAIT_SECONDS)))

    def joined_by(self, images: Sequence[Image]) -> "Queue":
        """Return the queue as these new images see it. All of them must be in the same queue."""
        last = self.priority if images[0].is_priority else len(self.places)
        own = (image.upscaled_width * image.upscaled_height / 1e6 for image in images)
        work = [*self.work[:last], *accumulate(own, initial=self.work[last])]
        places = {image.id or 0: place for place, image in enumerate(images, start=last + 1)}
        return replace(self, places=places, work=work)


async def read(session: AsyncSession, cold_start: timedelta) -> Queue:
    connection = await session.connection()
    found = (await connection.execute(QUEUE)).one()
    return Queue(
        places={image_id: place for place, image_id in enumerate(found.waiting, start=1)},
        priority=found.priority,
        work=list(accumulate(found.megapixels, initial=found.megapixels_under_way)),
        under_way=found.under_way,
        speed=await _read_speed(session, cold_start),
    )


async def announce_worker(session: AsyncSession, name: str, megapixels_per_second: float | None) -> None:
    connection = await session.connection()
    values = {"megapixels_per_second": megapixels_per_second, "announced_at": now()}
    row = insert(Worker).values(name=name, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))
    await session.exec(delete(Worker).where(col(Worker.announced_at) < now() - REMEMBERED_FOR))


async def _read_speed(session: AsyncSession, cold_start: timedelta) -> Speed:
    """Return the workers' speed. A worker without one counts as fast as the last that announced its own."""
    connection = await session.connection()
    workers = (await connection.execute(WORKERS, {"alive": now() - GONE_AFTER})).all()
    alive = [worker for worker in workers if worker.is_alive]
    start_seconds = 0.0 if alive else cold_start.total_seconds()
    usual = next((worker.megapixels_per_second for worker in workers if worker.megapixels_per_second), None)
    if usual is None:
        return Speed(None, start_seconds)
    return Speed(sum(worker.megapixels_per_second or usual for worker in alive) or usual, start_seconds)
