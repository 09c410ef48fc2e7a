"""Limits how many refused items of a user's manifests become failed images in a clock hour.

Such an image has no place in the quota, so it costs its user nothing, but it is stored and its end is told to
all webhooks. Beyond the limit, a manifest that has such an item is refused as a whole.
"""

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from images.domain.undecodable import hour_now, seconds_left
from images.tables import Undecodable
from loupe import refusals

COUNT = sa.text("""
    INSERT INTO undecodable AS known (user_id, hour, count, items_hour, refused_items)
    VALUES (:user_id, :hour, 0, :hour, :number)
    ON CONFLICT (user_id) DO UPDATE SET
        refused_items = excluded.refused_items
            + CASE WHEN known.items_hour = excluded.items_hour THEN known.refused_items ELSE 0 END,
        items_hour = excluded.items_hour
""")


async def refuse_over_limit(session: AsyncSession, user_id: int, limit: int) -> None:
    """Raise `ResourceExhausted` if as many items of the user as `limit` were refused in this hour."""
    found = await session.get(Undecodable, user_id)
    if found and found.items_hour == hour_now() and found.refused_items >= limit:
        raise errors.refused_for(seconds_left(), refusals.TOO_MANY_REFUSED_ITEMS)


async def count(session: AsyncSession, user_id: int, number: int, limit: int) -> None:
    """Count refused items, unless the user was over the limit before: then raise `ResourceExhausted`.

    The caller holds the user's lock, so manifests that come at the same time do not pass the limit together.
    """
    await refuse_over_limit(session, user_id, limit)
    values = {"user_id": user_id, "hour": hour_now(), "number": number}
    await (await session.connection()).execute(COUNT, values)
