"""Plans and subscriptions: what they allow, and how operators change them."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from common import errors, timestamps
from loupe.billing.v1 import billing_pb2 as pb
from tests.billing.harness import JANE, OMAR, BillingHarness


def at(billing: BillingHarness, days: int | None) -> datetime | None:
    """Return the instant that many days from now."""
    return None if days is None else billing.clock.now + timedelta(days=days)


def instant(subscription: pb.Subscription, name: Literal["trial_ends_at", "ends_at"]) -> datetime | None:
    return timestamps.from_proto(getattr(subscription, name)) if subscription.HasField(name) else None


async def test_a_user_without_a_subscription_is_on_the_free_plan(billing: BillingHarness) -> None:
    entitlement = await billing.entitlement()

    assert entitlement.plan.slug == "free"
    assert not entitlement.HasField("subscription")
    assert entitlement.is_active
    assert (entitlement.usage.used, entitlement.usage.limit) == (0, 2)
    assert entitlement.usage.period_start.ToDatetime(UTC) == datetime(2031, 3, 1, tzinfo=UTC)
    assert entitlement.usage.resets_at.ToDatetime(UTC) == datetime(2031, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        (datetime(2031, 12, 31, 23, 59, tzinfo=UTC), (2031, 12), (2032, 1)),
        (datetime(2032, 2, 29, tzinfo=UTC), (2032, 2), (2032, 3)),
        (datetime(2031, 1, 31, tzinfo=UTC), (2031, 1), (2031, 2)),
        (datetime(2031, 5, 1, 1, tzinfo=UTC).astimezone(), (2031, 5), (2031, 6)),
    ],
)
async def test_a_period_is_a_calendar_month_in_utc(
    billing: BillingHarness, at: datetime, start: tuple[int, int], end: tuple[int, int]
) -> None:
    billing.clock.now = at

    usage = (await billing.entitlement()).usage

    assert usage.period_start.ToDatetime(UTC) == datetime(*start, 1, tzinfo=UTC)
    assert usage.resets_at.ToDatetime(UTC) == datetime(*end, 1, tzinfo=UTC)


async def test_operators_can_set_the_plan_of_a_user(billing: BillingHarness) -> None:
    answer = await billing.operator.SetPlan(pb.SetPlanRequest(user_id=JANE, plan="professional"))

    entitlement = await billing.entitlement()
    assert answer.plan == entitlement.plan
    assert entitlement.plan.slug == "professional"
    assert (entitlement.subscription.status, entitlement.subscription.type) == ("active", "default")
    assert answer.subscription == entitlement.subscription
    assert entitlement.is_active
    assert entitlement.usage.limit == 250
    assert (await billing.entitlement(OMAR)).plan.slug == "free"


async def test_the_plan_can_change_again(billing: BillingHarness) -> None:
    await billing.set_plan("professional")
    first = (await billing.entitlement()).subscription.id

    await billing.set_plan("starter")

    entitlement = await billing.entitlement()
    assert (entitlement.plan.slug, entitlement.subscription.id) == ("starter", first)


async def test_the_free_plan_ends_the_subscription(billing: BillingHarness) -> None:
    await billing.set_plan("professional")

    answer = await billing.operator.SetPlan(pb.SetPlanRequest(user_id=JANE, plan="free"))

    assert not answer.HasField("subscription")
    assert (await billing.entitlement()).plan.slug == "free"


async def test_an_unknown_plan_changes_nothing(billing: BillingHarness) -> None:
    await billing.set_plan("starter")

    with pytest.raises(errors.NotFound) as caught:
        await billing.set_plan("gold")

    assert caught.value.reason == "plan_not_found"
    assert (await billing.entitlement()).plan.slug == "starter"


async def test_a_new_plan_makes_an_ended_subscription_active(billing: BillingHarness) -> None:
    await billing.set_plan("starter", trial_ends_at=at(billing, -9), ends_at=at(billing, -1))
    before = (await billing.entitlement()).is_active

    await billing.set_plan("professional")

    entitlement = await billing.entitlement()
    assert (before, entitlement.is_active) == (False, True)
    assert not entitlement.subscription.HasField("ends_at")
    assert not entitlement.subscription.HasField("trial_ends_at")


async def test_a_change_of_plan_is_published(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    await billing.set_plan("free")

    published = await billing.events("billing.plan_changed", pb.PlanChanged)

    assert published == [pb.PlanChanged(user_id=JANE), pb.PlanChanged(user_id=JANE)]


@pytest.mark.parametrize(
    ("status", "trial", "ends", "past_due", "is_active"),
    [
        ("active", None, None, False, True),
        ("active", None, +1, False, True),  # the grace period
        ("active", -1, None, False, True),  # a trial of long ago
        ("trialing", +1, None, False, True),
        ("trialing", +1, +1, False, True),  # cancelled while on trial
        ("trialing", +1, None, True, True),
        ("canceled", None, -1, False, False),
        ("canceled", +1, -1, False, False),
        ("canceled", None, 0, False, False),
        ("canceled", None, -1, True, False),
        ("past_due", None, None, True, False),
        ("past_due", -1, None, True, False),
        ("past_due", None, +1, True, True),
    ],
)
async def test_a_subscription_has_the_status_that_cashier_would_give(
    billing: BillingHarness, status: str, trial: int | None, ends: int | None, past_due: bool, is_active: bool
) -> None:
    trial_ends_at, ends_at = at(billing, trial), at(billing, ends)

    answer = await billing.set_plan(
        "starter", trial_ends_at=trial_ends_at, ends_at=ends_at, past_due=past_due
    )

    entitlement = await billing.entitlement()
    assert (entitlement.subscription.status, entitlement.is_active) == (status, is_active)
    assert instant(entitlement.subscription, "trial_ends_at") == trial_ends_at
    assert instant(entitlement.subscription, "ends_at") == ends_at
    assert answer.subscription == entitlement.subscription


async def test_after_a_trial_the_subscription_is_past_due_until_it_is_paid(billing: BillingHarness) -> None:
    ends = at(billing, 14)
    await billing.set_plan("starter", trial_ends_at=ends)
    billing.clock.forward(days=14)

    waiting = await billing.entitlement()
    await billing.set_plan("starter", trial_ends_at=ends)
    paid = await billing.entitlement()

    assert (waiting.subscription.status, waiting.is_active) == ("past_due", False)
    assert (paid.subscription.status, paid.is_active) == ("active", True)
    assert instant(paid.subscription, "trial_ends_at") == ends


async def test_a_grace_period_ends_by_itself(billing: BillingHarness) -> None:
    await billing.set_plan("starter", ends_at=at(billing, 1))
    await billing.reserve(api_request=True)

    billing.clock.forward(days=1)

    entitlement = await billing.entitlement()
    assert (entitlement.subscription.status, entitlement.is_active) == ("canceled", False)
    with pytest.raises(errors.PermissionDenied) as caught:
        await billing.reserve(api_request=True)
    assert caught.value.reason == "subscription_expired"


async def test_reservations_from_before_the_end_are_still_settled(billing: BillingHarness) -> None:
    await billing.set_plan("starter", ends_at=at(billing, 1))
    completed, failed = await billing.reserve(), await billing.reserve()
    billing.clock.forward(days=2)

    await billing.renew(completed, failed)
    await billing.capture(completed)
    await billing.release(failed)

    assert await billing.used() == 1


@pytest.mark.parametrize("what", [{"trial": 1}, {"ends": 1}, {"past_due": True}], ids=str)
async def test_the_free_plan_has_no_trial_no_end_and_no_payments(
    billing: BillingHarness, what: dict[str, int]
) -> None:
    await billing.set_plan("starter")

    with pytest.raises(errors.InvalidArgument) as caught:
        await billing.set_plan(
            "free",
            trial_ends_at=at(billing, what.get("trial")),
            ends_at=at(billing, what.get("ends")),
            past_due=bool(what.get("past_due")),
        )

    assert caught.value.reason == "free_plan"
    assert (await billing.entitlement()).plan.slug == "starter"


async def test_a_subscription_can_have_a_custom_quota(billing: BillingHarness) -> None:
    await billing.set_plan("starter")

    answer = await billing.set_quota(40)

    entitlement = await billing.entitlement()
    assert answer.plan == entitlement.plan
    assert entitlement.usage.limit == entitlement.plan.images_per_month == 40
    assert {limit.key: limit.value for limit in entitlement.plan.limits}["images_per_month"] == 40
    assert (await billing.ledger()).usage.limit == 40
    assert await billing.events("billing.plan_changed", pb.PlanChanged) == [pb.PlanChanged(user_id=JANE)] * 2


async def test_a_custom_quota_can_be_removed(billing: BillingHarness) -> None:
    await billing.set_plan("starter", images_per_month=0)

    await billing.set_quota(None)

    assert (await billing.entitlement()).usage.limit == 25


async def test_a_custom_quota_is_kept_until_the_plan_changes(billing: BillingHarness) -> None:
    await billing.set_plan("enterprise", images_per_month=12_500)

    await billing.set_plan("enterprise", ends_at=at(billing, 30))
    same = (await billing.entitlement()).usage.limit
    await billing.set_plan("professional")
    other = (await billing.entitlement()).usage.limit
    await billing.set_plan("enterprise")
    back = (await billing.entitlement()).usage.limit

    assert (same, other, back) == (12_500, 250, 1_000)


@pytest.mark.parametrize("images_per_month", [-1, 2**31])
async def test_a_quota_that_is_not_a_count_is_refused(billing: BillingHarness, images_per_month: int) -> None:
    await billing.set_plan("starter", images_per_month=7)

    with pytest.raises(errors.InvalidArgument) as caught:
        await billing.set_quota(images_per_month)

    assert caught.value.reason == "invalid_quota"
    assert (await billing.entitlement()).usage.limit == 7


async def test_a_custom_quota_needs_a_subscription(billing: BillingHarness) -> None:
    await billing.set_plan("starter", OMAR)

    with pytest.raises(errors.FailedPrecondition) as caught:
        await billing.set_quota(5)

    assert caught.value.reason == "no_subscription"
    assert (await billing.entitlement(OMAR)).usage.limit == 25
    assert await billing.events("billing.plan_changed", pb.PlanChanged) == [pb.PlanChanged(user_id=OMAR)]


async def test_each_method_refuses_other_callers(billing: BillingHarness) -> None:
    plan, place = pb.SetPlanRequest(user_id=JANE, plan="enterprise"), pb.ReserveRequest(user_id=JANE)

    for call in (
        billing.user().SetPlan(plan),
        billing.images.SetPlan(plan),
        billing.gateway.SetPlan(plan),
        billing.user().SetQuota(pb.SetQuotaRequest(user_id=JANE)),
        billing.gateway.SetQuota(pb.SetQuotaRequest(user_id=JANE)),
        billing.user().GetLedger(pb.GetLedgerRequest(user_id=JANE)),
        billing.images.GetLedger(pb.GetLedgerRequest(user_id=JANE)),
        billing.user().Reserve(place),
        billing.gateway.Reserve(place),
        billing.operator.GetEntitlement(pb.GetEntitlementRequest()),
    ):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call
        assert caught.value.reason == "caller_refused"
