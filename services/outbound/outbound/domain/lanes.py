"""The order of deliveries: which lane of which user is next.

A transaction that adds, claims or ends a delivery holds the lock of the user's turn. So the limits of a user
are exact, and the times in lanes and turns always fit the deliveries.
"""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

MOST_AT_A_TIME = 4
"""Deliveries to one webhook, and of one user to one host, that are made at the same time."""
CHANNEL = "delivery"

ADD_TURNS = sa.text("""
    INSERT INTO turn (user_id) SELECT user_id FROM unnest(CAST(:user_ids AS bigint[])) AS new (user_id)
    ORDER BY user_id ON CONFLICT DO NOTHING
""")
LOCK_TURNS = sa.text("SELECT user_id FROM turn WHERE user_id = ANY(:user_ids) ORDER BY user_id FOR UPDATE")
"""Each transaction locks in the same order, so none waits for another that waits for it."""
ADD_WEBHOOK_LANE = sa.text("""
    INSERT INTO lane (user_id, webhook_id, host) VALUES (:user_id, :webhook_id, :host)
    ON CONFLICT (webhook_id) DO UPDATE SET host = excluded.host RETURNING id
""")
UPDATE_LANES = sa.text("""
    UPDATE lane SET next_at = CASE
        WHEN webhook_id IS NULL OR EXISTS (SELECT FROM webhook WHERE id = lane.webhook_id AND is_enabled)
        THEN (
            SELECT greatest(due_at, CAST(:now AS timestamptz), CAST(:not_before AS timestamptz))
            FROM delivery WHERE lane_id = lane.id AND status = 'waiting' ORDER BY due_at LIMIT 1
        )
    END
    WHERE id = ANY(:lane_ids)
""")
UPDATE_TURNS = sa.text("""
    UPDATE turn SET next_at = (
        SELECT greatest(lane.next_at, CAST(:now AS timestamptz)) FROM lane
        WHERE lane.user_id = turn.user_id AND lane.next_at IS NOT NULL ORDER BY lane.next_at LIMIT 1
    )
    WHERE user_id = ANY(:user_ids) RETURNING next_at
""")
NOTIFY = sa.text(f"SELECT pg_notify('{CHANNEL}', '')")


async def lock(session: AsyncSession, user_id: int) -> None:
    """Lock the user's turn until the transaction ends. Add it if the user has none."""
    await lock_all(session, [user_id])


async def lock_all(session: AsyncSession, user_ids: Collection[int]) -> None:
    """Lock the turns of these users. Add those that are missing."""
    connection, values = await session.connection(), {"user_ids": list(user_ids)}
    await connection.execute(ADD_TURNS, values)
    await connection.execute(LOCK_TURNS, values)


async def lock_existing(session: AsyncSession, user_id: int) -> None:
    """Lock the user's turn, unless the user was deleted."""
    await (await session.connection()).execute(LOCK_TURNS, {"user_ids": [user_id]})


async def of_webhook(session: AsyncSession, user_id: int, webhook_id: int, host: str) -> int:
    """Return the id of the webhook's lane, which leads to this host from now on."""
    values = {"user_id": user_id, "webhook_id": webhook_id, "host": host}
    return (await (await session.connection()).execute(ADD_WEBHOOK_LANE, values)).scalar_one()


async def update(
    session: AsyncSession,
    user_id: int,
    lane_id: int,
    now: datetime,
    *,
    not_before: datetime | None = None,
) -> None:
    """Find out when the lane and its user are next, as `update_all` does."""
    await update_all(session, [user_id], [lane_id], now, not_before=not_before)


async def update_all(
    session: AsyncSession,
    user_ids: Collection[int],
    lane_ids: Collection[int],
    now: datetime,
    *,
    not_before: datetime | None = None,
) -> None:
    """Find out when these lanes and users are next, after deliveries of theirs have changed.

    What is due goes behind everything that is due already, so that users and their lanes take turns. A lane
    that has no room is looked at again at `not_before`. A disabled webhook is not next at all.
    """
    connection = await session.connection()
    await connection.execute(UPDATE_LANES, {"lane_ids": list(lane_ids), "now": now, "not_before": not_before})
    turns = await connection.execute(UPDATE_TURNS, {"user_ids": list(user_ids), "now": now})
    if any(next_at and next_at <= now for next_at in turns.scalars()):
        await connection.execute(NOTIFY)
