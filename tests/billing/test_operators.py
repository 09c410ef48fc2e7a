"""Operators see plans and usage, and users without a monthly quota."""

from datetime import date

import pytest

from common import errors
from loupe.billing.v1 import billing_pb2 as pb
from tests.billing.harness import JANE, OMAR, BillingHarness


async def entitlements(
    billing: BillingHarness, *user_ids: int, period_start: str = ""
) -> list[pb.UserEntitlement]:
    request = pb.ListEntitlementsRequest(user_ids=user_ids, period_start=period_start)
    return list((await billing.operator.ListEntitlements(request)).entitlements)


async def test_entitlements_of_several_users_come_in_the_order_of_the_request(
    billing: BillingHarness,
) -> None:
    await billing.set_plan("starter")
    await billing.capture(await billing.reserve())
    await billing.reserve()
    await billing.reserve(user_id=OMAR)

    omar, jane, nobody = await entitlements(billing, OMAR, JANE, 4711)

    assert [one.user_id for one in (omar, jane, nobody)] == [OMAR, JANE, 4711]
    assert [one.plan.slug for one in (omar, jane, nobody)] == ["free", "starter", "free"]
    assert [one.usage.used for one in (omar, jane, nobody)] == [1, 2, 0]
    assert [one.reserved for one in (omar, jane, nobody)] == [1, 1, 0]
    assert [one.HasField("subscription") for one in (omar, jane, nobody)] == [False, True, False]
    assert jane.usage == (await billing.entitlement()).usage
    assert jane.is_active


async def test_a_place_is_reserved_only_while_its_image_is_unfinished(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    captured, released, _ = [await billing.reserve() for _ in range(3)]
    await billing.capture(captured)
    await billing.release(released)

    [jane] = await entitlements(billing, JANE)

    assert (jane.usage.used, jane.reserved) == (2, 1)


async def test_the_usage_of_an_earlier_month_can_be_read(billing: BillingHarness) -> None:
    await billing.reserve()
    billing.clock.forward(days=31)

    [now] = await entitlements(billing, JANE)
    [march] = await entitlements(billing, JANE, period_start="2031-03-01")

    assert (now.usage.used, now.reserved) == (0, 0)
    assert (march.usage.used, march.reserved) == (1, 1)
    assert march.usage.period_start.ToDatetime().date() == date(2031, 3, 1)


async def test_more_users_than_a_page_are_refused(billing: BillingHarness) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await entitlements(billing, *range(1, 502))

    assert caught.value.reason == "too_many_users"


async def test_a_user_can_have_no_monthly_quota(billing: BillingHarness) -> None:
    await billing.set_plan("starter", images_per_month=0)

    answer = await billing.operator.SetQuota(pb.SetQuotaRequest(user_id=JANE, unlimited=True))

    [listed] = await entitlements(billing, JANE)
    for plan in (answer.plan, listed.plan, (await billing.entitlement()).plan):
        assert not plan.HasField("images_per_month")
    assert not listed.usage.HasField("limit")
    assert listed.has_custom_quota
    for _ in range(26):
        await billing.reserve(api_request=True)
    assert await billing.used() == 26


@pytest.mark.parametrize("images_per_month", [None, 40])
async def test_a_user_without_a_quota_can_get_one_again(
    billing: BillingHarness, images_per_month: int | None
) -> None:
    await billing.set_plan("starter")
    await billing.operator.SetQuota(pb.SetQuotaRequest(user_id=JANE, unlimited=True))

    await billing.set_quota(images_per_month)

    [listed] = await entitlements(billing, JANE)
    assert listed.usage.limit == (images_per_month or 25)
    assert listed.has_custom_quota == bool(images_per_month)


async def test_no_quota_is_kept_until_the_plan_changes(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    await billing.operator.SetQuota(pb.SetQuotaRequest(user_id=JANE, unlimited=True))

    await billing.set_plan("starter", past_due=True)
    same = (await billing.entitlement()).usage.HasField("limit")
    await billing.set_plan("professional")
    other = (await billing.entitlement()).usage.limit

    assert (same, other) == (False, 250)


async def test_a_quota_is_a_number_or_unlimited_but_not_both(billing: BillingHarness) -> None:
    await billing.set_plan("starter")

    with pytest.raises(errors.InvalidArgument) as caught:
        await billing.operator.SetQuota(pb.SetQuotaRequest(user_id=JANE, images_per_month=4, unlimited=True))

    assert caught.value.reason == "invalid_quota"
    assert (await billing.entitlement()).usage.limit == 25


async def test_others_may_not_read_entitlements_of_users(billing: BillingHarness) -> None:
    for stub in (billing.user(), billing.images, billing.gateway):
        with pytest.raises(errors.PermissionDenied) as caught:
            await stub.ListEntitlements(pb.ListEntitlementsRequest(user_ids=[JANE]))
        assert caught.value.reason == "caller_refused"
