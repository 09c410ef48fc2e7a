"""Several places in one call are reserved all or none."""

import asyncio
import uuid

import pytest

from common import errors
from loupe.billing.v1 import billing_pb2 as pb
from tests.billing.harness import BillingHarness


def places(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


async def test_places_are_reserved_all_or_none(billing: BillingHarness) -> None:
    await billing.set_plan("starter", images_per_month=10)
    await billing.reserve_all(places(6))

    with pytest.raises(errors.PermissionDenied) as caught:
        await billing.reserve_all(places(5))
    answer = await billing.reserve_all(places(4))

    assert caught.value.reason == "quota_exceeded"
    assert answer.usage.used == 10
    assert await billing.rows("SELECT count(*) FROM reservation") == [(10,)]


async def test_the_first_reservation_of_a_month_cannot_exceed_the_quota(billing: BillingHarness) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await billing.reserve_all(places(3))

    assert caught.value.reason == "quota_exceeded"
    assert await billing.rows("SELECT 1 FROM reservation UNION ALL SELECT 1 FROM quota") == []


async def test_concurrent_groups_are_reserved_whole_or_not_at_all(billing: BillingHarness) -> None:
    await billing.set_plan("starter", images_per_month=10)
    groups = [places(3) for _ in range(12)]

    results = await asyncio.gather(*map(billing.reserve_all, groups), return_exceptions=True)

    assert sum(isinstance(result, pb.ReserveResponse) for result in results) == 3
    assert await billing.used() == 9
    assert await billing.is_balanced()


async def test_the_same_places_in_another_order_count_once(billing: BillingHarness) -> None:
    await billing.set_plan("professional")
    ids = places(20)

    await asyncio.gather(*(billing.reserve_all(ids[cut:] + ids[:cut]) for cut in range(20)))

    assert await billing.used() == 20


async def test_a_feature_that_the_plan_lacks_is_refused_before_the_quota(billing: BillingHarness) -> None:
    await billing.set_plan("starter", images_per_month=0)

    with pytest.raises(errors.PermissionDenied, match="does not include batch processing") as caught:
        await billing.reserve_all(places(1), feature="batch_processing")

    assert caught.value.reason == "plan_feature_missing"
