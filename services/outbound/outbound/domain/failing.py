"""Shows operators the webhooks whose deliveries fail, and sends these again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from loupe import refusals
from outbound.domain import lanes, webhooks
from outbound.tables import Delivery, Status, Webhook

USUAL_LIMIT = 100
MOST_COUNTED = 10_000
REDRIVE = sa.text("""
    UPDATE delivery SET status = 'waiting', due_at = :now, attempts = 0
    WHERE webhook_id = :webhook_id AND status <> 'delivered' AND lease_until IS NULL
""")


@dataclass(frozen=True, slots=True)
class Failing:
    webhook: Webhook
    waiting: int
    last_outcome: str


async def list_failing(session: AsyncSession, limit: int) -> Sequence[Failing]:
    """Return webhooks whose last delivery failed, and those that Loupe disabled, the oldest failure first."""
    is_failing = or_(col(Webhook.failing_since).is_not(None), col(Webhook.disabled_reason).is_not(None))
    oldest = select(Webhook).where(is_failing).order_by(col(Webhook.failing_since), col(Webhook.id))
    found = (await session.exec(oldest.limit(limit or USUAL_LIMIT))).all()
    return [
        Failing(webhook, await _count_waiting(session, webhook), await _last_outcome(session, webhook))
        for webhook in found
    ]


async def redrive(session: AsyncSession, webhook_id: int, now: datetime) -> int:
    """Enable a webhook, and make everything due now that it has not got. Return how many deliveries."""
    webhook = await session.get(Webhook, webhook_id)
    if webhook is None:
        raise errors.refused(refusals.WEBHOOK_NOT_FOUND)
    await lanes.lock(session, webhook.user_id)
    values = {"webhook_id": webhook_id, "now": now}
    count = (await (await session.connection()).execute(REDRIVE, values)).rowcount
    await webhooks.change(
        session,
        webhook.user_id,
        webhook_id,
        address=None,
        types=None,
        description=None,
        is_enabled=True,
        now=now,
    )
    return count


async def _count_waiting(session: AsyncSession, webhook: Webhook) -> int:
    waiting = select(Delivery.id).where(Delivery.webhook_id == webhook.id, Delivery.status == Status.WAITING)
    counted = waiting.limit(MOST_COUNTED).subquery()
    return (await session.exec(select(func.count()).select_from(counted))).one()


async def _last_outcome(session: AsyncSession, webhook: Webhook) -> str:
    last = (
        select(Delivery)
        .where(Delivery.webhook_id == webhook.id, col(Delivery.last_attempt_at).is_not(None))
        .order_by(col(Delivery.id).desc())
        .limit(1)
    )
    delivery = (await session.exec(last)).one_or_none()
    return str(delivery.status_code or delivery.error or "") if delivery else ""
