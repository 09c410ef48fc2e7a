"""A place in the quota is reserved, captured or released once, even if calls are repeated or reordered."""

import asyncio
import uuid
from datetime import UTC, date, datetime

import pytest

from common import errors
from loupe.billing.v1 import billing_pb2 as pb
from tests.billing.harness import JANE, OMAR, RESERVED_FOR, BillingHarness

MARCH, APRIL = date(2031, 3, 1), date(2031, 4, 1)


async def refused(billing: BillingHarness, reason: str, *, api_request: bool = False) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await billing.reserve(api_request=api_request)
    assert caught.value.reason == reason


async def test_a_reservation_takes_one_place(billing: BillingHarness) -> None:
    await billing.set_plan("starter")

    answer = await billing.images.Reserve(
        pb.ReserveRequest(reservation_ids=[str(uuid.uuid4())], user_id=JANE, api_request=True)
    )

    assert (answer.usage.used, answer.usage.limit) == (1, 25)
    assert answer.plan.slug == "starter"
    assert answer.expires_at.ToDatetime(UTC) == billing.clock.now + RESERVED_FOR
    assert (await billing.entitlement()).usage.used == 1
    assert (await billing.entitlement(OMAR)).usage.used == 0


async def test_the_first_refusal_in_the_order_of_the_contract_wins(billing: BillingHarness) -> None:
    """The order is subscription, feature, quota."""
    await billing.set_plan("starter", images_per_month=0)
    await refused(billing, "quota_exceeded", api_request=True)

    await billing.change("UPDATE subscription SET plan = 'free'")
    await refused(billing, "no_api_access", api_request=True)
    await refused(billing, "quota_exceeded", api_request=False)

    await billing.change("UPDATE subscription SET ends_at = '2000-01-01Z'")
    await refused(billing, "subscription_expired", api_request=True)
    await refused(billing, "subscription_expired", api_request=False)


async def test_a_refusal_stores_nothing(billing: BillingHarness) -> None:
    await refused(billing, "no_api_access", api_request=True)

    assert await billing.rows("SELECT 1 FROM reservation UNION ALL SELECT 1 FROM quota") == []
    assert await billing.rows("SELECT 1 FROM outbox") == []


async def test_a_refused_reservation_can_be_tried_again(billing: BillingHarness) -> None:
    reservation_id = str(uuid.uuid4())
    with pytest.raises(errors.PermissionDenied):
        await billing.reserve(reservation_id, api_request=True)
    await billing.set_plan("starter")

    await billing.reserve(reservation_id, api_request=True)

    assert await billing.used() == 1


async def test_the_free_plan_has_no_api_access(billing: BillingHarness) -> None:
    await billing.reserve()
    await billing.reserve()

    await refused(billing, "quota_exceeded")
    assert await billing.used() == 2


async def test_reserving_twice_counts_once(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()

    await billing.reserve(reservation_id)

    assert await billing.used() == 1


async def test_the_last_place_may_be_reserved_again_by_the_same_id(billing: BillingHarness) -> None:
    await billing.reserve()
    last = await billing.reserve()

    await billing.reserve(last)

    assert await billing.used() == 2


async def test_reserving_the_same_id_at_once_counts_once(billing: BillingHarness) -> None:
    reservation_id = str(uuid.uuid4())

    await asyncio.gather(*(billing.reserve(reservation_id) for _ in range(10)))

    assert await billing.used() == 1


@pytest.mark.parametrize("text", ["", "7", "not-a-uuid"])
async def test_an_id_that_is_not_a_uuid_is_refused(billing: BillingHarness, text: str) -> None:
    for call in (
        billing.images.Reserve(pb.ReserveRequest(reservation_ids=[text], user_id=JANE)),
        billing.images.Release(pb.ReleaseRequest(reservation_ids=[text])),
        billing.images.RenewReservations(pb.RenewReservationsRequest(reservation_ids=[text])),
    ):
        with pytest.raises(errors.InvalidArgument) as caught:
            await call
        assert caught.value.reason == "invalid_reservation_id"


async def test_concurrent_reservations_never_exceed_the_quota(billing: BillingHarness) -> None:
    await billing.set_plan("professional", images_per_month=10)

    results = await asyncio.gather(*(billing.reserve() for _ in range(50)), return_exceptions=True)

    assert sum(isinstance(result, str) for result in results) == 10
    refusals = [result for result in results if isinstance(result, errors.PermissionDenied)]
    assert {refusal.reason for refusal in refusals} == {"quota_exceeded"}
    assert len(refusals) == 40
    assert await billing.used() == 10
    assert await billing.rows("SELECT count(*) FROM reservation") == [(10,)]


async def test_a_quota_below_the_count_refuses_and_keeps_the_count(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    for _ in range(3):
        await billing.reserve()
    await billing.set_plan("free")

    await refused(billing, "quota_exceeded")

    usage = (await billing.entitlement()).usage
    assert (usage.used, usage.limit) == (3, 2)


async def test_released_places_are_free_again(billing: BillingHarness) -> None:
    await billing.reserve()
    reservation_id = await billing.reserve()

    await billing.release(reservation_id)

    await billing.reserve()
    assert await billing.used() == 2


async def test_releasing_twice_gives_back_once(billing: BillingHarness) -> None:
    await billing.reserve()
    reservation_id = await billing.reserve()

    await billing.release(reservation_id)
    await billing.release(reservation_id)

    assert await billing.used() == 1


async def test_releasing_at_once_gives_back_once(billing: BillingHarness) -> None:
    await billing.reserve()
    reservation_id = await billing.reserve()

    await asyncio.gather(*(billing.release(reservation_id) for _ in range(10)))

    assert await billing.used() == 1


async def test_releasing_what_was_never_reserved_changes_nothing(billing: BillingHarness) -> None:
    await billing.release(str(uuid.uuid4()))
    await billing.capture(str(uuid.uuid4()))
    await billing.renew(str(uuid.uuid4()))

    assert await billing.rows("SELECT 1 FROM reservation UNION ALL SELECT 1 FROM quota") == []


async def test_capturing_keeps_the_place_once(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()

    await billing.capture(reservation_id)
    await billing.capture(reservation_id)

    assert await billing.used() == 1
    assert await billing.state(reservation_id) == "captured"


async def test_a_captured_place_stays_used(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()
    await billing.capture(reservation_id)

    await billing.release(reservation_id)
    billing.clock.forward(days=3)
    await billing.expire()

    assert await billing.used() == 1
    assert await billing.state(reservation_id) == "captured"


async def test_a_released_place_stays_free(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()
    await billing.release(reservation_id)

    await billing.capture(reservation_id)
    await billing.renew(reservation_id)

    assert await billing.used() == 0
    assert await billing.state(reservation_id) == "released"


async def test_capture_and_release_at_once_agree_with_the_counter(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    ids = [await billing.reserve() for _ in range(10)]

    await asyncio.gather(*(end(each) for each in ids for end in (billing.capture, billing.release)))

    states = [await billing.state(each) for each in ids]
    assert set(states) <= {"captured", "released"}
    assert await billing.used() == states.count("captured")
    assert await billing.is_balanced()


async def test_an_unsettled_reservation_expires(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()
    billing.clock.forward(minutes=59)
    assert await billing.expire() == 0

    billing.clock.forward(minutes=2)

    assert await billing.expire() == 1
    assert await billing.expire() == 0
    assert await billing.used() == 0
    assert await billing.state(reservation_id) == "expired"


async def test_renewing_extends_the_expiry(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()
    billing.clock.forward(minutes=50)
    await billing.renew(reservation_id)
    billing.clock.forward(minutes=50)

    assert await billing.expire() == 0
    assert await billing.used() == 1


async def test_renewing_an_expired_reservation_counts_it_again(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()
    billing.clock.forward(hours=2)
    await billing.expire()

    await billing.renew(reservation_id)
    await billing.renew(reservation_id, reservation_id)

    assert await billing.used() == 1
    assert await billing.state(reservation_id) == "reserved"
    assert await billing.expire() == 0


async def test_an_image_that_completes_after_the_expiry_is_charged(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()
    billing.clock.forward(hours=2)
    await billing.expire()

    await billing.capture(reservation_id)
    await billing.capture(reservation_id)

    assert await billing.used() == 1
    assert await billing.state(reservation_id) == "captured"


async def test_an_expired_place_is_not_given_back_twice(billing: BillingHarness) -> None:
    await billing.reserve()
    reservation_id = await billing.reserve()
    await billing.capture(reservation_id)
    other = await billing.rows("SELECT id FROM reservation WHERE state = 'reserved'")
    billing.clock.forward(hours=2)
    await billing.expire()

    await billing.release(str(other[0][0]))

    assert await billing.used() == 1


async def test_more_reservations_expire_than_fit_in_a_batch(billing: BillingHarness) -> None:
    await billing.change(
        "INSERT INTO reservation (id, user_id, period_start, state, expires_at, created_at) "
        "SELECT gen_random_uuid(), 7, '2031-03-01', 'reserved', '2031-03-01', now() "
        "FROM generate_series(1, 450)"
    )
    await billing.change("INSERT INTO quota VALUES (7, '2031-03-01', 450, 450)")

    expired = [await billing.expire() for _ in range(4)]

    assert expired == [200, 200, 50, 0]
    assert await billing.used() == 0


async def test_concurrent_expiry_expires_each_reservation_once(billing: BillingHarness) -> None:
    await billing.set_plan("enterprise")
    for _ in range(30):
        await billing.reserve()
    billing.clock.forward(hours=2)

    expired = await asyncio.gather(*(billing.expire() for _ in range(4)))

    assert sum(expired) == 30
    assert await billing.used() == 0


async def test_every_change_of_the_counter_is_published_with_a_growing_version(
    billing: BillingHarness,
) -> None:
    reservation_id = await billing.reserve()
    await billing.reserve(reservation_id)
    second = await billing.reserve()
    await billing.release(second)
    await billing.release(second)
    await billing.capture(reservation_id)

    published = await billing.events("billing.usage_changed", pb.UsageChanged)

    assert [(event.user_id, event.usage.used, event.usage.version) for event in published] == [
        (JANE, 1, 1),
        (JANE, 2, 2),
        (JANE, 1, 3),
    ]
    assert {event.usage.period_start.ToDatetime(UTC) for event in published} == {
        datetime(2031, 3, 1, tzinfo=UTC)
    }


async def test_the_counter_cannot_fall_below_zero(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()
    await billing.change("UPDATE quota SET used = 0")

    with pytest.raises(errors.ServiceError):
        await billing.release(reservation_id)

    assert await billing.used() == 0
    assert await billing.state(reservation_id) == "reserved"


async def test_several_replicas_expire_reservations_of_several_users(billing: BillingHarness) -> None:
    for user_id in (JANE, OMAR):
        await billing.set_plan("professional", user_id)
        for _ in range(30):
            await billing.reserve(user_id=user_id)
    billing.clock.forward(hours=2)

    counts = await asyncio.gather(*(billing.expire() for _ in range(4)))

    assert sum(counts) == 60
    assert (await billing.used(JANE), await billing.used(OMAR)) == (0, 0)
