"""Limits how many images of a user may cost workers time for nothing in a clock hour.

Those are the images that cannot be decoded, and those that are cancelled while a worker works on them. They
cost their user nothing. Deleting an image does not lower the count. Beyond the limit, uploads are refused,
and images that were accepted before wait for the next hour.
"""

import time

import sqlalchemy as sa
from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from images.tables import Undecodable
from loupe import refusals

CODE = "undecodable"
"""The code of the failure, as workers report it."""
HOUR = 3600
OVER_LIMIT = "SELECT user_id FROM undecodable WHERE hour = :hour AND count >= :undecodable_per_hour"
"""Returns the users who are over the limit. `limits_now` returns the parameters."""
COUNT = sa.text("""
    INSERT INTO undecodable (user_id, hour, count) VALUES (:user_id, :hour, 1)
    ON CONFLICT (user_id) DO UPDATE SET
        count = CASE WHEN undecodable.hour = excluded.hour THEN undecodable.count + 1 ELSE 1 END,
        hour = excluded.hour
""")


def hour_now() -> int:
    """Return the clock hour, counted from 1970."""
    return int(time.time()) // HOUR


def seconds_left() -> int:
    """Return the seconds until the next clock hour."""
    return HOUR - int(time.time()) % HOUR


def limits_now(limit: int) -> dict[str, int]:
    return {"hour": hour_now(), "undecodable_per_hour": limit}


async def count(session: AsyncSession, user_id: int) -> None:
    """Count an image of the user that cost a worker time for nothing."""
    await (await session.connection()).execute(COUNT, {"user_id": user_id, "hour": hour_now()})


async def is_over_limit(session: AsyncSession, user_id: int, limit: int) -> bool:
    """Return whether as many images of the user as `limit` were counted in this hour."""
    found = await session.get(Undecodable, user_id)
    return bool(found and found.hour == hour_now() and found.count >= limit)


async def refuse_over_limit(session: AsyncSession, user_id: int, limit: int) -> None:
    """Raise `ResourceExhausted` if the user is over the limit."""
    if await is_over_limit(session, user_id, limit):
        raise errors.refused_for(seconds_left(), refusals.TOO_MANY_UNDECODABLE)


async def forget(session: AsyncSession, user_id: int) -> None:
    """Delete the count of a deleted user."""
    await session.exec(delete(Undecodable).where(col(Undecodable.user_id) == user_id))
