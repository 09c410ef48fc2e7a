"""Subscriptions. A user has at most one. A user without one is on the first plan in the plans file.

The status of a subscription is computed for the present moment, because most changes happen as time passes.
Its values are those of Laravel Cashier:

- `trialing` until `trial_ends_at`. Then it is `past_due`, until an operator sets the plan again.
- `active`: paid, or in its grace period, when it is cancelled but `ends_at` is in the future.
- `past_due`: a payment is missing. New images are refused, except in a grace period.
- `canceled` from `ends_at` on, whatever else is set.
"""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.plans import Plan, Plans
from billing.recording import record
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
        images_per_month = CASE WHEN subscription.plan = excluded.plan THEN subscription.images_per_month END,
        is_unlimited = subscription.is_unlimited AND subscription.plan = excluded.plan
""")


async def find(session: AsyncSession, user_id: int) -> Subscription | None:
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
    """Create or replace the user's subscription. The free plan removes it.

    A custom quota stays if the plan stays the same. A trial that is already over has no effect.
    """
    plan = plans.by_slug(slug)
    if plan != plans.free:
        values = {
            "user_id": user_id,
            "plan": slug,
            "status": "past_due" if past_due else "trialing" if _is_future(trial_ends_at) else "active",
            "trial_ends_at": trial_ends_at,
            "ends_at": ends_at,
        }
        await (await session.connection()).execute(UPSERT, values)
    elif trial_ends_at or ends_at or past_due:
        message = f"The plan {slug} is free: it has no trial, no end and no payments."
        raise errors.InvalidArgument(message, reason="free_plan")
    else:
        await remove(session, user_id)
    await record(session, "plan.changed", user_id=user_id, plan=slug, ends_at=ends_at)
    await _publish_change(session, user_id)


async def find_many(session: AsyncSession, user_ids: Collection[int]) -> dict[int, Subscription]:
    """Return the subscriptions of these users by user id. Users without a subscription are missing."""
    found = await session.exec(select(Subscription).where(col(Subscription.user_id).in_(user_ids)))
    return {subscription.user_id: subscription for subscription in found}


async def set_quota(
    session: AsyncSession, user_id: int, images_per_month: int | None, *, is_unlimited: bool = False
) -> None:
    """Give the subscription a custom monthly quota, or none at all if `is_unlimited`.

    Without either, the quota of the plan applies again.
    """
    if is_unlimited and images_per_month is not None:
        message = f"A monthly quota cannot be {images_per_month} and unlimited."
        raise errors.InvalidArgument(message, reason="invalid_quota")
    if images_per_month is not None and not 0 <= images_per_month <= LARGEST_QUOTA:
        message = f"A monthly quota of {images_per_month} is not between 0 and {LARGEST_QUOTA}."
        raise errors.InvalidArgument(message, reason="invalid_quota")
    changed = await session.exec(
        update(Subscription)
        .where(col(Subscription.user_id) == user_id)
        .values(images_per_month=images_per_month, is_unlimited=is_unlimited, updated_at=sa.func.now())
    )
    if not changed.rowcount:
        raise errors.FailedPrecondition(f"user {user_id} has no subscription", reason="no_subscription")
    quota = "unlimited" if is_unlimited else "plan" if images_per_month is None else images_per_month
    await record(session, "quota.changed", user_id=user_id, images_per_month=quota)
    await _publish_change(session, user_id)


async def remove(session: AsyncSession, user_id: int) -> None:
    """Remove the user's subscription, if there is one."""
    await session.exec(delete(Subscription).where(col(Subscription.user_id) == user_id))


def plan_of(plans: Plans, subscription: Subscription | None) -> Plan:
    """Return the plan of a subscription, with the custom quota if it has one."""
    if subscription is None:
        return plans.free
    try:
        plan = plans.by_slug(subscription.plan)
    except errors.NotFound:
        LOG.exception(
            "plan of a subscription is missing in the plans file",
            user_id=subscription.user_id,
            plan=subscription.plan,
            action="user treated as on the free plan",
        )
        return plans.free
    if not has_custom_quota(subscription):
        return plan
    return plan.model_copy(update={"images_per_month": subscription.images_per_month})


def has_custom_quota(subscription: Subscription | None) -> bool:
    return subscription is not None and (
        subscription.is_unlimited or subscription.images_per_month is not None
    )


def status(subscription: Subscription) -> str:
    """Return the status at this moment, as Cashier names it."""
    if subscription.ends_at is not None and not _is_future(subscription.ends_at):
        return "canceled"
    if _is_future(subscription.trial_ends_at):
        return "trialing"
    return "past_due" if subscription.status == "trialing" else subscription.status


def is_active(subscription: Subscription | None) -> bool:
    """True if new images are accepted.

    That is the case without a subscription, and with one that is active, in a trial or in a grace period."""
    if subscription is None or _is_future(subscription.ends_at):
        return True
    return status(subscription) in ("active", "trialing")


def _is_future(instant: datetime | None) -> bool:
    return instant is not None and instant > now()


async def _publish_change(session: AsyncSession, user_id: int) -> None:
    await outbox.publish(session, "billing.plan_changed", pb.PlanChanged(user_id=user_id))
