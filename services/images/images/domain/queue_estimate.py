"""Estimates an image's position in the queue, and the seconds until its result.

The estimate uses the speeds that the workers announce for each kind of work. If no worker runs, it adds the
time that a worker takes to start. Once an image is under way, its own pace counts more and more.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.domain.turns import GONE_AFTER
from images.domain.work import Speeds, costs_of, total
from images.tables import UNFINISHED, AnnouncedModel, Image, Status, Worker

REMEMBERED_FOR = timedelta(days=30)
"""How long a worker's last announcement is stored, as the expected speed of the next worker."""
LONGEST_WAIT_SECONDS = 7 * 86_400
"""Limit for estimates. After hours of failures the speed is near zero, and the estimate would be absurd."""
READ_QUEUE = sa.text("""
    SELECT
        coalesce(array_agg(id ORDER BY queue_position) FILTER (WHERE waits), '{}') AS waiting,
        coalesce(array_agg(seconds ORDER BY queue_position) FILTER (WHERE waits), '{}') AS seconds,
        count(*) FILTER (WHERE waits AND is_priority) AS priority_count,
        count(*) FILTER (WHERE NOT waits) AS processing_count,
        coalesce(sum(seconds) FILTER (WHERE NOT waits), 0) AS seconds_under_way
    FROM (
        SELECT id, is_priority, status = 'pending' AS waits,
            row_number() OVER (ORDER BY NOT is_priority, dispatched_at, turn, id) AS queue_position,
            (100 - progress) / 100.0::float8 * (:seconds_per_job +
                coalesce(work_megapixels, upscaled_width::float8 * upscaled_height / 1e6)
                / coalesce((CAST(:speeds AS jsonb) ->> coalesce(work_kind, ''))::float8, :other)) AS seconds
        FROM image WHERE status IN ('pending', 'processing') AND turn >= 0
    ) AS unfinished
""")
"""Reads only rows in the partial index of unfinished images. `seconds` counts all workers together."""
READ_WORKERS = sa.text("""
    SELECT megapixels_per_second, speeds, seconds_per_job, places, announced_at > :alive AS is_alive
    FROM worker ORDER BY announced_at DESC
""")


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that run, or the expected next one if none runs."""

    together: Speeds = field(default_factory=Speeds)
    """The speeds of all of them together."""
    count: int = 1
    places: int = 1
    """How many jobs they do at the same time."""
    start_seconds: float = 0.0
    """Seconds until a worker runs, or 0 if one does."""


@dataclass(slots=True)
class Added:
    """Images that were added to a queue after it was read."""

    positions: dict[int, int] = field(default_factory=dict[int, int])
    seconds_before: dict[int, float] = field(default_factory=dict[int, float])
    """Seconds of all workers before each of these images, by id."""
    priority_count: int = 0
    priority_seconds: float = 0.0
    seconds: float = 0.0
    """Seconds of all these images together."""


@dataclass(slots=True)
class Queue:
    """The queue at the moment when it was read, and the images that this process has added since."""

    positions: dict[int, int]
    """Positions of the pending images by their ids, counted from 1."""
    priority_count: int
    """How many pending images are in the priority queue, whose positions come first."""
    seconds_until: Sequence[float]
    """Seconds of all workers before and including each position. Entry 0 is the work under way."""
    processing_count: int
    """How many images are being worked on."""
    workers: Workers
    added: Added = field(default_factory=Added)

    def position(self, image: Image) -> int | None:
        """Return the image's position, or None if it is not pending, or has no file yet.

        An image that another process has added since counts as the last one of its queue.
        """
        if image.status != Status.PENDING or not image.has_file:
            return None
        image_id = image.id or 0
        return self.positions.get(image_id) or self.added.positions.get(image_id) or self._last(image) + 1

    def seconds(self, image: Image) -> int | None:
        """Return the seconds until the image's result, at least 1.

        Return None if the image is finished, has no file yet, or if no worker has ever announced its speed.
        """
        own = self.workers.together.seconds(image)
        if image.status not in UNFINISHED or own is None or not image.has_file:
            return None
        position = self.position(image)
        if position is None:
            seconds = _remaining(image, own * max(self.workers.count, self._running_count))
        else:
            seconds = self._before(image) + own * (self.workers.count + self._later_share(position))
        return max(1, math.ceil(min(self.workers.start_seconds + seconds, LONGEST_WAIT_SECONDS)))

    def add(self, images: Sequence[Image]) -> None:
        """Add new images at the end of their queue, so that estimates count them before the next reading."""
        for image in images:
            own, added = self.workers.together.seconds(image) or 0.0, self.added
            added.positions[image.id or 0], added.seconds_before[image.id or 0] = (
                self._last(image) + 1,
                self._before(image),
            )
            added.seconds += own
            if image.is_priority:
                added.priority_count += 1
                added.priority_seconds += own

    @property
    def _waiting_count(self) -> int:
        return len(self.positions) + len(self.added.positions)

    @property
    def _running_count(self) -> int:
        """Return how many images share the workers as soon as every place is taken."""
        return max(
            self.processing_count, min(self.workers.places, self.processing_count + self._waiting_count)
        )

    def _last(self, image: Image) -> int:
        """Return the last position of the image's queue."""
        if image.is_priority:
            return self.priority_count + self.added.priority_count
        return self._waiting_count

    def _before(self, image: Image) -> float:
        """Return the seconds of all workers before the image."""
        if position := self.positions.get(image.id or 0):
            return self.seconds_until[position - 1]
        if (known := self.added.seconds_before.get(image.id or 0)) is not None:
            return known
        if image.is_priority:
            return self.seconds_until[self.priority_count] + self.added.priority_seconds
        return self.seconds_until[-1] + self.added.seconds

    def _later_share(self, position: int) -> float:
        """Return the work on later images beside this one, as a multiple of its own.

        Workers do several jobs at the same time. While one runs, about half of the work on the others is on
        jobs that came later.
        """
        later = min(self.workers.places - self.workers.count, self._waiting_count - position)
        return max(0, later) / 2


async def read(session: AsyncSession, cold_start: timedelta) -> Queue:
    """Read the queue. `cold_start` is the time that a worker takes to start."""
    workers = await _read_workers(session, cold_start)
    speeds, connection = workers.together, await session.connection()
    parameters = {
        "speeds": json.dumps(speeds.known()),
        "other": speeds.other or 1.0,  # a queue of which nothing is known gets no estimate
        "seconds_per_job": speeds.seconds_per_job,
    }
    found = (await connection.execute(READ_QUEUE, parameters)).one()
    return Queue(
        positions={image_id: position for position, image_id in enumerate(found.waiting, start=1)},
        priority_count=found.priority_count,
        seconds_until=list(accumulate(found.seconds, initial=found.seconds_under_way)),
        processing_count=found.processing_count,
        workers=workers,
    )


async def announce_worker(session: AsyncSession, name: str, speeds: Speeds, places: int = 0) -> None:
    """Store a worker's speeds and places, and delete very old announcements."""
    connection = await session.connection()
    values = {
        "megapixels_per_second": speeds.other,
        "speeds": dict(speeds.by_kind),
        "seconds_per_job": speeds.seconds_per_job,
        "places": places or None,
        "announced_at": now(),
    }
    row = insert(Worker).values(name=name, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))
    await session.exec(delete(Worker).where(col(Worker.announced_at) < now() - REMEMBERED_FOR))


async def _read_workers(session: AsyncSession, cold_start: timedelta) -> Workers:
    """Return the running workers. What one has not measured yet is what another announced last."""
    connection = await session.connection()
    rows = (await connection.execute(READ_WORKERS, {"alive": now() - GONE_AFTER})).all()
    last = Speeds(
        {kind: speed for row in reversed(rows) for kind, speed in (row.speeds or {}).items()},
        next((row.megapixels_per_second for row in rows if row.megapixels_per_second), None),
        next((row.seconds_per_job for row in rows if row.seconds_per_job), 0.0),
        await _read_costs(session),
    )
    alive = [
        Speeds(
            {**last.by_kind, **(row.speeds or {})},
            row.megapixels_per_second or last.other,
            row.seconds_per_job or last.seconds_per_job,
            last.costs,
        )
        for row in rows
        if row.is_alive
    ]
    start_seconds = 0.0 if alive else cold_start.total_seconds()
    places = sum(row.places or 1 for row in rows if row.is_alive) or 1
    return Workers(total(alive or [last]), max(1, len(alive)), places, start_seconds)


async def _read_costs(session: AsyncSession) -> Mapping[str, float]:
    """Return the costs of the kinds of work with the networks that workers have announced."""
    announced = (await session.exec(select(AnnouncedModel.nets))).all()
    return costs_of({network for networks in announced for network in networks})


def _remaining(image: Image, expected: float) -> float:
    """Return the seconds that an image under way still needs. `expected` is the time from its start.

    Its own pace so far counts as much as its progress.
    """
    done = image.progress / 100
    remaining = expected * (1 - done)
    if not done or image.started_at is None:
        return remaining
    elapsed = max(0.0, (now() - image.started_at).total_seconds())
    return (1 - done) * remaining + done * elapsed * (1 - done) / done
