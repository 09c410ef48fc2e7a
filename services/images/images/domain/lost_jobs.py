"""Finds jobs that got lost, and makes their images ready for `jobs.let_in`. They keep their turns.

A job is lost if its worker fell silent, or if its message disappeared with the stream.
"""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import func
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.domain.jobs import Rules
from images.tables import Image, Status


async def requeue_abandoned(session: AsyncSession, rules: Rules) -> list[int]:
    """Make images pending again whose worker is silent. Return the ids of their users.

    It waits three times as long as `start` does: normally the message is delivered again before that.
    """
    silent_since = func.coalesce(col(Image.heartbeat_at), col(Image.started_at))
    is_silent = silent_since < now() - 3 * rules.silent_after
    users = await session.exec(
        update(Image)
        .where(_is_unlocked(col(Image.status) == Status.PROCESSING, is_silent))
        .values(status=Status.PENDING, progress=0, dispatched_at=None, updated_at=now())
        .returning(col(Image.user_id))
    )
    return sorted(set(users.scalars().all()))


async def requeue_lost(session: AsyncSession, silent_for: timedelta) -> list[int]:
    """Mark images as not dispatched whose message was lost. Return the ids of their users.

    A message counts as lost if its image was dispatched longer than `silent_for` ago and has not started.
    Call this only if the stream is empty, or with a time after which a second message does no harm.
    """
    users = await session.exec(
        update(Image)
        .where(
            _is_unlocked(col(Image.status) == Status.PENDING, col(Image.dispatched_at) < now() - silent_for)
        )
        .values(dispatched_at=None)
        .returning(col(Image.user_id))
    )
    return sorted(set(users.scalars().all()))


def _is_unlocked(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return a condition for images that fulfil the conditions and that no other transaction has locked.

    Use it to change images of many users without taking the users' locks. It never waits for a lock.
    """
    found = select(Image.id).where(*conditions).with_for_update(skip_locked=True)
    return col(Image.id).in_(found)
