"""Images that are deleted by themselves, some time after their end.

From its time on an image is as if it were gone: each query for a user leaves it out (`is_kept`). The sweep
deletes its row and objects soon after. Its place in the quota stays used, and so do the counts of its batch.
"""

from datetime import timedelta

import sqlalchemy as sa
from prometheus_client import Counter
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now, on_commit
from images.domain import jobs
from images.tables import Image

SHORTEST_SECONDS, LONGEST_SECONDS = 60, 3650 * 86_400
AT_ONCE = 250
"""How many images one transaction deletes. Its event names two objects for each."""
LOCK = sa.text("SELECT pg_try_advisory_xact_lock(:space, :lock)").bindparams(space=0x65787069, lock=0)
"""One sweep at a time. Two numbers cannot be mistaken for a user's lock, which is one."""
DELETE_DUE = sa.text("""
    WITH due AS MATERIALIZED (
        SELECT id, user_id FROM image WHERE expires_at <= now() ORDER BY expires_at LIMIT :most
    ), owner AS MATERIALIZED (
        SELECT user_id FROM (SELECT DISTINCT user_id FROM due) AS each
        WHERE pg_try_advisory_xact_lock(user_id)
    )
    DELETE FROM image USING due, owner
    WHERE image.id = due.id AND due.user_id = owner.user_id AND image.expires_at <= now()
    RETURNING image.original_path, image.upscaled_path
""").bindparams(most=AT_ONCE)
"""Deletes the oldest first. It waits for no user's lock: images of a user who holds it have to wait."""
WAITING = sa.text("""
    SELECT count(*) AS images, coalesce(extract(epoch FROM now() - min(expires_at)), 0) AS seconds
    FROM (SELECT expires_at FROM image WHERE expires_at <= now() ORDER BY expires_at LIMIT 10000) AS due
""")

expired_images = Counter("loupe_images_expired_total", "Images that were deleted because their time had come")


def is_kept() -> sa.ColumnElement[bool]:
    """Return the condition for images whose time has not come."""
    return sa.or_(col(Image.expires_at).is_(None), col(Image.expires_at) > sa.func.now())


def has_expired(image: Image) -> bool:
    return image.expires_at is not None and image.expires_at <= now()


def within_life(image: Image, lifetime: timedelta) -> timedelta:
    """Return how long a link to the image may work: it ends with the image."""
    if image.expires_at is None:
        return lifetime
    return max(timedelta(seconds=1), min(lifetime, image.expires_at - now()))


def shorter(first: int | None, second: int | None) -> int | None:
    return min((seconds for seconds in (first, second) if seconds is not None), default=None)


async def has_due(session: AsyncSession, user_id: int) -> bool:
    """Return whether the sweep still has to delete images of the user."""
    found = await session.exec(
        select(Image.id).where(Image.user_id == user_id, col(Image.expires_at) <= sa.func.now()).limit(1)
    )
    return found.first() is not None


async def delete_some(session: AsyncSession) -> int:
    """Delete up to 250 images whose time has come, and return how many. 0: another replica does it now."""
    connection = await session.connection()
    if not (await connection.execute(LOCK)).scalar_one():
        return 0
    rows = (await connection.execute(DELETE_DUE)).all()
    if rows:
        await jobs.drop_objects(session, *(key for row in rows for key in row))
        on_commit(session, lambda: expired_images.inc(len(rows)))
    return len(rows)
