"""The queue, the workers and the stored bytes, as operators look at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.domain.turns import GONE_AFTER
from images.tables import Worker

READ_QUEUE = sa.text("""
    SELECT count(*) FILTER (WHERE status = 'pending') AS waiting,
        count(*) FILTER (WHERE status = 'pending' AND is_priority) AS waiting_priority,
        count(*) FILTER (WHERE status = 'processing') AS processing,
        coalesce(extract(epoch FROM now() - min(coalesce(retried_at, created_at))
            FILTER (WHERE status = 'pending')), 0) AS oldest_seconds
    FROM image WHERE status IN ('pending', 'processing')
""")
"""Reads only rows in the partial index of unfinished images."""
READ_PACE = sa.text("""
    SELECT count(*) AS ended, count(*) FILTER (WHERE status = 'failed') AS failed
    FROM image WHERE status IN ('completed', 'failed') AND updated_at > now() - interval '1 hour'
""")
READ_STORAGE = sa.text("""
    SELECT count(*) AS images, coalesce(sum(original_bytes), 0) AS original_bytes,
        coalesce(sum(upscaled_bytes), 0) AS upscaled_bytes,
        count(*) FILTER (WHERE expires_at <= now()) AS expired_waiting
    FROM image
""")


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker, and whether it has announced itself lately."""

    worker: Worker
    is_alive: bool


async def read_queue(session: AsyncSession) -> sa.Row[Any]:
    return (await (await session.connection()).execute(READ_QUEUE)).one()


async def read_pace(session: AsyncSession) -> sa.Row[Any]:
    """Return how many images ended in the last hour. It reads all rows, so cache the answer."""
    return (await (await session.connection()).execute(READ_PACE)).one()


async def read_storage(session: AsyncSession) -> sa.Row[Any]:
    """Return what the objects take. It reads all rows, so cache the answer."""
    return (await (await session.connection()).execute(READ_STORAGE)).one()


async def read_workers(session: AsyncSession) -> Sequence[WorkerState]:
    """Return the workers that are remembered, the last one to announce itself first."""
    found = await session.exec(select(Worker).order_by(col(Worker.announced_at).desc(), col(Worker.name)))
    alive_since: datetime = now() - GONE_AFTER
    return [WorkerState(worker, worker.announced_at > alive_since) for worker in found.all()]
