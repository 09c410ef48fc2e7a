"""Subscriptions: at most one a user; without one a user is on the first plan of the file."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.plans import Plan, Plans
from billing.tables import Subscription
from common import errors, log, outbox
from common.db import now
from loupe.billing.v1 import billing_pb2 as pb

LOG = log.get(__name__)
UPSERT = sa.text("""
    INSERT INTO subscription (user_id, plan, type, status, quantity, created_at, updated_at)
    VALUES (:user_id, :plan, 'default', 'active', 1, now(), now())
    ON CONFLICT (user_id) DO UPDATE
    SET plan = excluded.plan, status = 'active', trial_ends_at = NULL, ends_at = NULL, updated_at = now()
""")


async def of_user(session: AsyncSession, user_id: int) -> Subscription | None:
    found = await session.exec(select(Subscription).where(Subscription.user_id == user_id))
    return found.one_or_none()


async def set_plan(session: AsyncSession, plans: Plans, user_id: int, slug: str) -> None:
    """From now on and without an end; the free plan needs no subscription."""
    plan = plans.by_slug(slug)
    if plan == plans.free:
        await session.exec(delete(Subscription).where(col(Subscription.user_id) == user_id))
    else:
        connection = await session.connection()
        await connection.execute(UPSERT, {"user_id": user_id, "plan": slug})
    await outbox.publish(session, "billing.plan_changed", pb.PlanChanged(user_id=user_id))


def plan_of(plans: Plans, subscription: Subscription | None) -> Plan:
    """The plan with this subscription's own quota, where it has one."""
    if subscription is None:
        return plans.free
    try:
        plan = plans.by_slug(subscription.plan)
    except errors.NotFound:
        LOG.exception("a subscription's plan is not in the file of plans", user_id=subscription.user_id)
        return plans.free
    if subscription.images_per_month is None:
        return plan
    return plan.model_copy(update={"images_per_month": subscription.images_per_month})


def is_active(subscription: Subscription | None, at: datetime | None = None) -> bool:
    """Trial and grace period count as active, as in Laravel Cashier; so does having none."""
    if subscription is None:
        return True
    instant = at or now()
    if subscription.ends_at is not None:
        return subscription.ends_at > instant
    if subscription.status == "trialing":
        return subscription.trial_ends_at is None or subscription.trial_ends_at > instant
    return subscription.status == "active"
