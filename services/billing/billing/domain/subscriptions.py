"""Subscriptions: at most one a user; without one a user is on the first plan of the file.

States are those of Laravel Cashier, told for an instant, since most of them come with time alone:

- trialing until `trial_ends_at`; then past_due, until an operator sets the plan anew for whoever has paid
- active, also in the grace period: cancelled, and `ends_at` lies ahead
- past_due: a payment is missing; nothing new is accepted, except in a grace period
- canceled from `ends_at` on, whatever else is set
"""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.plans import Plan, Plans
from billing.tables import Subscription
from common import errors, log, outbox
from common.db import now
from loupe.billing.v1 import billing_pb2 as pb

LOG = log.get(__name__)
LARGEST_QUOTA = 2**31 - 1
UPSERT = sa.text("""
    INSERT INTO subscription
        (user_id, plan, type, status, quantity, trial_ends_at, ends_at, created_at, updated_at)
    VALUES (:user_id, :plan, 'default', :status, 1, :trial_ends_at, :ends_at, now(), now())
    ON CONFLICT (user_id) DO UPDATE
    SET plan = excluded.plan, status = excluded.status, trial_ends_at = excluded.trial_ends_at,
        ends_at = excluded.ends_at, updated_at = now(),
        images_per_month = CASE WHEN subscription.plan = excluded.plan THEN subscription.images_per_month END
""")


async def of_user(session: AsyncSession, user_id: int) -> Subscription | None:
    found = await session.exec(select(Subscription).where(Subscription.user_id == user_id))
    return found.one_or_none()


async def set_plan(
    session: AsyncSession,
    plans: Plans,
    user_id: int,
    slug: str,
    *,
    trial_ends_at: datetime | None = None,
    ends_at: datetime | None = None,
    past_due: bool = False,
) -> None:
    """The subscription as it will be. A quota of its own stays as long as the plan; a trial that is over when
    it is set is only remembered. The free plan needs no subscription.
    """
    plan = plans.by_slug(slug)
    if plan != plans.free:
        values = {
            "user_id": user_id,
            "plan": slug,
            "status": "past_due" if past_due else "trialing" if _is_ahead(trial_ends_at) else "active",
            "trial_ends_at": trial_ends_at,
            "ends_at": ends_at,
        }
        await (await session.connection()).execute(UPSERT, values)
    elif trial_ends_at or ends_at or past_due:
        message = f"The plan {slug} is free: it has no trial, no end and no payments."
        raise errors.InvalidArgument(message, reason="free_plan")
    else:
        await remove(session, user_id)
    await _tell(session, user_id)


async def set_quota(session: AsyncSession, user_id: int, images_per_month: int | None) -> None:
    """A monthly quota of the subscription's own; None: what the plan says."""
    if images_per_month is not None and not 0 <= images_per_month <= LARGEST_QUOTA:
        message = f"A monthly quota of {images_per_month} is not between 0 and {LARGEST_QUOTA}."
        raise errors.InvalidArgument(message, reason="invalid_quota")
    changed = await session.exec(
        update(Subscription)
        .where(col(Subscription.user_id) == user_id)
        .values(images_per_month=images_per_month, updated_at=sa.func.now())
    )
    if not changed.rowcount:
        raise errors.FailedPrecondition(f"user {user_id} has no subscription", reason="no_subscription")
    await _tell(session, user_id)


async def remove(session: AsyncSession, user_id: int) -> None:
    """Removing what is not there is the same."""
    await session.exec(delete(Subscription).where(col(Subscription.user_id) == user_id))


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


def status(subscription: Subscription) -> str:
    """What it is at this moment, in Cashier's words."""
    if subscription.ends_at is not None and not _is_ahead(subscription.ends_at):
        return "canceled"
    if _is_ahead(subscription.trial_ends_at):
        return "trialing"
    return "past_due" if subscription.status == "trialing" else subscription.status


def is_active(subscription: Subscription | None) -> bool:
    """Trial and grace period count as active, as in Cashier's `valid()`; so does having none."""
    if subscription is None or _is_ahead(subscription.ends_at):
        return True
    return status(subscription) in ("active", "trialing")


def _is_ahead(instant: datetime | None) -> bool:
    return instant is not None and instant > now()


async def _tell(session: AsyncSession, user_id: int) -> None:
    await outbox.publish(session, "billing.plan_changed", pb.PlanChanged(user_id=user_id))
