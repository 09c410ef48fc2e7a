"""The order of deliveries: which lane of which user is next.

A transaction that adds, claims or ends a delivery holds the lock of the user's turn. So the limits of a user
are exact, and the times in lanes and turns always fit the deliveries.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

MOST_AT_A_TIME = 4
"""Deliveries to one webhook, and of one user to one host, that are made at the same time."""
CHANNEL = "delivery"

ADD_TURN = sa.text("INSERT INTO turn (user_id) VALUES (:user_id) ON CONFLICT DO NOTHING")
LOCK_TURN = sa.text("SELECT user_id FROM turn WHERE user_id = :user_id FOR UPDATE")
ADD_HOST_LANE = sa.text("""
    INSERT INTO lane (user_id, host) VALUES (:user_id, :host)
    ON CONFLICT (user_id, host) WHERE webhook_id IS NULL DO UPDATE SET host = excluded.host RETURNING id
""")
ADD_WEBHOOK_LANE = sa.text("""
    INSERT INTO lane (user_id, webhook_id, host) VALUES (:user_id, :webhook_id, :host)
    ON CONFLICT (webhook_id) DO UPDATE SET host = excluded.host RETURNING id
""")
UPDATE_LANE = sa.text("""
    UPDATE lane SET next_at = greatest(
        (
            SELECT due_at FROM delivery WHERE lane_id = :lane_id AND status = 'waiting'
            ORDER BY due_at LIMIT 1
        ),
        CAST(:now AS timestamptz),
        CAST(:not_before AS timestamptz)
    )
    WHERE id = :lane_id
        AND EXISTS (SELECT FROM delivery WHERE lane_id = :lane_id AND status = 'waiting')
        AND (webhook_id IS NULL OR EXISTS (SELECT FROM webhook WHERE id = lane.webhook_id AND is_enabled))
    RETURNING next_at
""")
EMPTY_LANE = sa.text("UPDATE lane SET next_at = NULL WHERE id = :lane_id")
UPDATE_TURN = sa.text("""
    UPDATE turn SET next_at = greatest(
        CAST(:now AS timestamptz),
        (SELECT next_at FROM lane WHERE user_id = :user_id AND next_at IS NOT NULL ORDER BY next_at LIMIT 1)
    )
    WHERE user_id = :user_id
        AND EXISTS (SELECT FROM lane WHERE user_id = :user_id AND next_at IS NOT NULL)
    RETURNING next_at
""")
EMPTY_TURN = sa.text("UPDATE turn SET next_at = NULL WHERE user_id = :user_id")
NOTIFY = sa.text(f"SELECT pg_notify('{CHANNEL}', '')")


async def lock(session: AsyncSession, user_id: int) -> None:
    """Lock the user's turn until the transaction ends. Add it if the user has none."""
    await (await session.connection()).execute(ADD_TURN, {"user_id": user_id})
    await lock_existing(session, user_id)


async def lock_existing(session: AsyncSession, user_id: int) -> None:
    """Lock the user's turn, unless the user was deleted."""
    await (await session.connection()).execute(LOCK_TURN, {"user_id": user_id})


async def of_webhook(session: AsyncSession, user_id: int, webhook_id: int, host: str) -> int:
    """Return the id of the webhook's lane, which leads to this host from now on."""
    values = {"user_id": user_id, "webhook_id": webhook_id, "host": host}
    return (await (await session.connection()).execute(ADD_WEBHOOK_LANE, values)).scalar_one()


async def of_host(session: AsyncSession, user_id: int, host: str) -> int:
    """Return the id of the user's lane for addresses at this host that uploads name."""
    values = {"user_id": user_id, "host": host}
    return (await (await session.connection()).execute(ADD_HOST_LANE, values)).scalar_one()


async def update(
    session: AsyncSession,
    user_id: int,
    lane_id: int,
    now: datetime,
    *,
    not_before: datetime | None = None,
) -> None:
    """Find out when the lane and its user are next, after its deliveries have changed.

    What is due goes behind everything that is due already, so that users and their lanes take turns. A lane
    that has no room is looked at again at `not_before`. A disabled webhook is not next at all.
    """
    connection = await session.connection()
    lane = {"lane_id": lane_id, "now": now, "not_before": not_before}
    if (await connection.execute(UPDATE_LANE, lane)).one_or_none() is None:
        await connection.execute(EMPTY_LANE, {"lane_id": lane_id})
    next_turn = (await connection.execute(UPDATE_TURN, {"user_id": user_id, "now": now})).one_or_none()
    if next_turn is None:
        await connection.execute(EMPTY_TURN, {"user_id": user_id})
    elif next_turn.next_at <= now:
        await connection.execute(NOTIFY)
