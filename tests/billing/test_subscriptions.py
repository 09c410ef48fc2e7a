"""What a user may do by their plan, and how operators change it."""

from datetime import UTC, datetime, timedelta

import pytest
from billing_under_test import JANE, OMAR, Billing

from common import errors
from loupe.billing.v1 import billing_pb2 as pb


async def test_who_never_subscribed_is_on_the_free_plan(billing: Billing) -> None:
    told = await billing.entitlement()

    assert told.plan.slug == "free"
    assert not told.HasField("subscription")
    assert told.is_active
    assert (told.usage.used, told.usage.limit) == (0, 2)
    assert told.usage.period_start.ToDatetime(UTC) == datetime(2031, 3, 1, tzinfo=UTC)
    assert told.usage.resets_at.ToDatetime(UTC) == datetime(2031, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        (datetime(2031, 12, 31, 23, 59, tzinfo=UTC), (2031, 12), (2032, 1)),
        (datetime(2032, 2, 29, tzinfo=UTC), (2032, 2), (2032, 3)),
        (datetime(2031, 1, 31, tzinfo=UTC), (2031, 1), (2031, 2)),
        (datetime(2031, 5, 1, 1, tzinfo=UTC).astimezone(), (2031, 5), (2031, 6)),
    ],
)
async def test_a_period_is_the_month_in_utc(
    billing: Billing, at: datetime, start: tuple[int, int], end: tuple[int, int]
) -> None:
    billing.clock.now = at

    usage = (await billing.entitlement()).usage

    assert usage.period_start.ToDatetime(UTC) == datetime(*start, 1, tzinfo=UTC)
    assert usage.resets_at.ToDatetime(UTC) == datetime(*end, 1, tzinfo=UTC)


async def test_operators_put_a_user_on_a_plan(billing: Billing) -> None:
    answer = await billing.operator.SetPlan(pb.SetPlanRequest(user_id=JANE, plan="professional"))

    told = await billing.entitlement()
    assert answer.plan == told.plan
    assert told.plan.slug == "professional"
    assert (told.subscription.status, told.subscription.type) == ("active", "default")
    assert answer.subscription == told.subscription
    assert told.is_active
    assert told.usage.limit == 250
    assert (await billing.entitlement(OMAR)).plan.slug == "free"


async def test_the_plan_can_change_again(billing: Billing) -> None:
    await billing.set_plan("professional")
    first = (await billing.entitlement()).subscription.id

    await billing.set_plan("starter")

    told = await billing.entitlement()
    assert (told.plan.slug, told.subscription.id) == ("starter", first)


async def test_the_free_plan_ends_the_subscription(billing: Billing) -> None:
    await billing.set_plan("professional")

    answer = await billing.operator.SetPlan(pb.SetPlanRequest(user_id=JANE, plan="free"))

    assert not answer.HasField("subscription")
    assert (await billing.entitlement()).plan.slug == "free"


async def test_a_plan_that_is_not_there_changes_nothing(billing: Billing) -> None:
    await billing.set_plan("starter")

    with pytest.raises(errors.NotFound) as caught:
        await billing.set_plan("gold")

    assert caught.value.reason == "plan_not_found"
    assert (await billing.entitlement()).plan.slug == "starter"


async def test_a_new_plan_makes_an_ended_subscription_active(billing: Billing) -> None:
    await billing.set_plan("starter")
    await billing.change("UPDATE subscription SET ends_at = '2000-01-01Z', status = 'canceled'")

    await billing.set_plan("professional")

    assert (await billing.entitlement()).is_active


async def test_a_change_of_plan_is_told(billing: Billing) -> None:
    await billing.set_plan("starter")

    assert await billing.events("billing.plan_changed", pb.PlanChanged) == [pb.PlanChanged(user_id=JANE)]


async def test_a_subscription_may_have_a_quota_of_its_own(billing: Billing) -> None:
    await billing.set_plan("starter", images_per_month=40)

    told = await billing.entitlement()

    assert told.usage.limit == told.plan.images_per_month == 40
    assert {limit.key: limit.value for limit in told.plan.limits}["images_per_month"] == 40


@pytest.mark.parametrize(
    ("status", "trial_ends", "ends", "is_active"),
    [
        ("active", None, None, True),
        ("active", None, +1, True),  # the grace period
        ("active", None, -1, False),
        ("canceled", None, +1, True),
        ("canceled", None, -1, False),
        ("trialing", +1, None, True),
        ("trialing", -1, None, False),
        ("past_due", None, None, False),
    ],
)
async def test_trial_and_grace_period_are_active(
    billing: Billing, status: str, trial_ends: int | None, ends: int | None, is_active: bool
) -> None:
    def day(offset: int | None) -> datetime | None:
        return None if offset is None else billing.clock.now + timedelta(days=offset)

    await billing.set_plan("starter")
    await billing.change(
        "UPDATE subscription SET status = :status, trial_ends_at = :trial_ends, ends_at = :ends",
        status=status,
        trial_ends=day(trial_ends),
        ends=day(ends),
    )

    told = await billing.entitlement()

    assert told.is_active is is_active
    assert told.subscription.HasField("ends_at") is (ends is not None)


async def test_each_call_is_for_its_callers_only(billing: Billing) -> None:
    plan, place = pb.SetPlanRequest(user_id=JANE, plan="enterprise"), pb.ReserveRequest(user_id=JANE)

    for call in (
        billing.user().SetPlan(plan),
        billing.images.SetPlan(plan),
        billing.gateway.SetPlan(plan),
        billing.user().Reserve(place),
        billing.gateway.Reserve(place),
        billing.operator.GetEntitlement(pb.GetEntitlementRequest()),
    ):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call
        assert caught.value.reason == "caller_refused"
