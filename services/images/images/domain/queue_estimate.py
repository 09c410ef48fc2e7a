"""How long an image waits: its place in the queue, and the seconds until its result.

The pace is what workers tell of themselves. Where none runs, one is expected after a cold start.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate
from typing import Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import Sessions, now
from images.tables import UNFINISHED, Image, Status, Worker

Read = TypeVar("Read")
GONE_AFTER = timedelta(minutes=1)
"""A worker that has not announced itself for this long runs no more."""
REMEMBERED_FOR = timedelta(days=30)
READ_AGAIN_SECONDS = 1.0
SHARE_OF_TIME = 0.05
"""That reading the queue may take at most, however long the queue is."""
LONGEST_KEPT_SECONDS = 30.0
"""One slow answer of the database is no reason to tell what was true long ago."""
LONGEST_WAIT_SECONDS = 7 * 86_400
"""As it is told: a pace next to nothing, as after hours of failures, is no number to reckon with."""
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
"""Reads what the partial index of unfinished images leads to, and no other of the table."""
WORKERS = sa.text("""
    SELECT megapixels_per_second, announced_at > :alive AS is_alive FROM worker ORDER BY announced_at DESC
""")


@dataclass(frozen=True, slots=True)
class Pace:
    megapixels_per_second: float | None
    """Of all workers together, or of the one that is expected; None where none ever told."""
    cold_seconds: float = 0.0
    """Until there is a worker."""


@dataclass(frozen=True, slots=True)
class Queue:
    """As it was when it was read."""

    places: dict[int, int]
    """From 1, by the ids of images that wait."""
    priority: int
    """How many of these are in the priority queue, and so before all others."""
    work: Sequence[float]
    """Megapixels of results up to each place; up to place 0 is what is under way."""
    under_way: int
    pace: Pace

    def position(self, image: Image) -> int | None:
        """None for one that does not wait. One that came since stands last in its queue."""
        if image.status != Status.PENDING:
            return None
        last = self.priority if image.is_priority else len(self.places)
        return self.places.get(image.id or 0, last + 1)

    def seconds(self, image: Image) -> int | None:
        """Until its result, at least 1; None for one that has ended, and where no pace was ever told."""
        pace = self.pace.megapixels_per_second
        if image.status not in UNFINISHED or not pace:
            return None
        own = image.upscaled_width * image.upscaled_height * (100 - image.progress) / 1e8
        place = self.position(image)
        work = self.work[place - 1] + own if place else own * max(1, self.under_way)
        return max(1, math.ceil(min(self.pace.cold_seconds + work / pace, LONGEST_WAIT_SECONDS)))

    def joined_by(self, images: Sequence[Image]) -> "Queue":
        """As those see it that come now, all of them to the same queue."""
        last = self.priority if images[0].is_priority else len(self.places)
        own = (image.upscaled_width * image.upscaled_height / 1e6 for image in images)
        work = [*self.work[:last], *accumulate(own, initial=self.work[last])]
        places = {image.id or 0: place for place, image in enumerate(images, start=last + 1)}
        return replace(self, places=places, work=work)


class CachedRead(Generic[Read]):
    """Something that is read at most once a second, whoever asks how often."""

    def __init__(self, read: Callable[[], Awaitable[Read]]) -> None:
        self._read = read
        self._found: Read | None = None
        self._read_at = self._took = 0.0
        self._reading = asyncio.Lock()

    async def look(self) -> Read:
        async with self._reading:
            started = time.monotonic()
            good_for = max(READ_AGAIN_SECONDS, min(self._took / SHARE_OF_TIME, LONGEST_KEPT_SECONDS))
            if self._found is None or started - self._read_at >= good_for:
                self._found = await self._read()
                self._read_at = time.monotonic()
                self._took = self._read_at - started
            return self._found


class QueueEstimator:
    def __init__(self, sessions: Sessions, cold_start: timedelta) -> None:
        self._sessions = sessions
        self._cold_start = cold_start
        self._queue = CachedRead(self._read)

    async def look(self) -> Queue:
        return await self._queue.look()

    async def _read(self) -> Queue:
        async with self._sessions.begin() as session:
            return await read(session, self._cold_start)


async def announce(session: AsyncSession, name: str, megapixels_per_second: float | None) -> None:
    connection = await session.connection()
    told = {"megapixels_per_second": megapixels_per_second, "announced_at": now()}
    row = insert(Worker).values(name=name, **told)
    await connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=told))
    await session.exec(delete(Worker).where(col(Worker.announced_at) < now() - REMEMBERED_FOR))


async def read(session: AsyncSession, cold_start: timedelta) -> Queue:
    connection = await session.connection()
    found = (await connection.execute(QUEUE)).one()
    return Queue(
        places={image_id: place for place, image_id in enumerate(found.waiting, start=1)},
        priority=found.priority,
        work=list(accumulate(found.megapixels, initial=found.megapixels_under_way)),
        under_way=found.under_way,
        pace=await _pace(session, cold_start),
    )


async def _pace(session: AsyncSession, cold_start: timedelta) -> Pace:
    """Workers that have told none yet are taken to be as fast as the last that did."""
    connection = await session.connection()
    workers = (await connection.execute(WORKERS, {"alive": now() - GONE_AFTER})).all()
    alive = [worker for worker in workers if worker.is_alive]
    cold_seconds = 0.0 if alive else cold_start.total_seconds()
    usual = next((worker.megapixels_per_second for worker in workers if worker.megapixels_per_second), None)
    if usual is None:
        return Pace(None, cold_seconds)
    return Pace(sum(worker.megapixels_per_second or usual for worker in alive) or usual, cold_seconds)
