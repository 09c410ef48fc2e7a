"""The log of deliveries: reading it, sending one again, and deleting what is old."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from loupe import refusals
from loupe.contract import WEBHOOK_EVENTS
from outbound.domain import lanes, webhooks
from outbound.tables import Delivery, Status

MOST_COUNTED = 10_000
"""The total of a list stops at this number of deliveries."""
ROWS_PER_DELETION = 5000
DELETE_OLD = sa.text("""
    DELETE FROM delivery WHERE id IN (
        SELECT id FROM delivery WHERE created_at < :before ORDER BY created_at LIMIT :rows
    )
""").bindparams(rows=ROWS_PER_DELETION)
DELETE_OF_DELETED = sa.text("""
    DELETE FROM delivery WHERE id IN (
        SELECT delivery.id FROM lane JOIN delivery ON delivery.webhook_id = lane.webhook_id
        WHERE NOT EXISTS (SELECT FROM webhook WHERE id = lane.webhook_id) LIMIT :rows
    )
""").bindparams(rows=ROWS_PER_DELETION)
DELETE_LANES = sa.text("""
    DELETE FROM lane WHERE next_at IS NULL
        AND (webhook_id IS NULL OR NOT EXISTS (SELECT FROM webhook WHERE id = lane.webhook_id))
        AND NOT EXISTS (SELECT FROM delivery WHERE lane_id = lane.id)
""")


async def page(
    session: AsyncSession,
    user_id: int,
    webhook_id: int,
    *,
    number: int,
    size: int,
    status: str = "",
    kind: str = "",
) -> tuple[Sequence[Delivery], int]:
    """Return one page, newest first and counted from 1, and the number of deliveries on all pages, of which
    at most 10,000 are counted.
    """
    await webhooks.get(session, user_id, webhook_id)
    wanted = [Delivery.webhook_id == webhook_id]
    wanted += [Delivery.status == _to_status(status)] if status else []
    wanted += [Delivery.type == _to_type(kind)] if kind else []
    counted = select(Delivery.id).where(*wanted).limit(MOST_COUNTED).subquery()
    total = (await session.exec(select(func.count()).select_from(counted))).one()
    newest = select(Delivery).where(*wanted).order_by(col(Delivery.id).desc())
    number, size = max(1, number), min(100, max(1, size))
    found = await session.exec(newest.limit(size).offset(min((number - 1) * size, MOST_COUNTED)))
    return found.all(), total


async def replay(session: AsyncSession, user_id: int, delivery_id: int, now: datetime) -> Delivery:
    """Make a delivery due now, with a new schedule. One that is under way is made again after that."""
    await lanes.lock(session, user_id)
    own = select(Delivery).where(Delivery.id == delivery_id, Delivery.user_id == user_id)
    delivery = (await session.exec(own)).one_or_none()
    if delivery is None:
        raise errors.refused(refusals.DELIVERY_NOT_FOUND)
    if delivery.webhook_id:
        try:
            await webhooks.get_enabled(session, user_id, delivery.webhook_id)
        except errors.NotFound as error:
            raise errors.refused(refusals.DELIVERY_NOT_FOUND) from error
    delivery.status, delivery.attempts = Status.WAITING, 0
    delivery.due_at, delivery.lease_until = now, None
    await session.flush()
    await lanes.update(session, user_id, delivery.lane_id, now)
    return delivery


async def delete_old(session: AsyncSession, now: datetime, kept_for: timedelta) -> bool:
    """Delete deliveries that are too old, and those of deleted webhooks. Return whether there may be more."""
    connection = await session.connection()
    old = (await connection.execute(DELETE_OLD, {"before": now - kept_for})).rowcount
    orphans = (await connection.execute(DELETE_OF_DELETED)).rowcount
    await connection.execute(DELETE_LANES)
    return max(old, orphans) >= ROWS_PER_DELETION


def _to_status(text: str) -> Status:
    try:
        return Status(text)
    except ValueError as error:
        raise errors.invalid({"status": [errors.choice_text("status", Status)]}) from error


def _to_type(text: str) -> str:
    if text not in WEBHOOK_EVENTS:
        raise errors.invalid({"type": [errors.choice_text("type", WEBHOOK_EVENTS)]})
    return text
