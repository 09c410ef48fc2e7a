"""Each month starts with a count of zero. A reservation is settled in the month that accepted it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from common import errors
from tests.billing.harness import JANE, OMAR, BillingHarness

MARCH, APRIL = date(2031, 3, 1), date(2031, 4, 1)


async def test_a_new_month_begins_with_none_used(billing: BillingHarness) -> None:
    await billing.reserve()
    await billing.reserve()
    with pytest.raises(errors.PermissionDenied):
        await billing.reserve()
    billing.clock.now = datetime(2031, 4, 1, tzinfo=UTC)

    await billing.reserve()

    assert await billing.used(period_start=MARCH) == 2
    assert await billing.used(period_start=APRIL) == 1
    assert (await billing.entitlement()).usage.used == 1


async def test_an_image_counts_in_the_month_that_accepted_it(billing: BillingHarness) -> None:
    billing.clock.now = datetime(2031, 3, 31, 23, 59, 59, tzinfo=UTC)
    captured, released = await billing.reserve(), await billing.reserve()
    billing.clock.now += timedelta(seconds=2)

    await billing.capture(captured)
    await billing.release(released)

    assert await billing.used(period_start=MARCH) == 1
    assert await billing.used(period_start=APRIL) == 0


async def test_a_reservation_that_expired_last_month_is_charged_to_that_month(
    billing: BillingHarness,
) -> None:
    billing.clock.now = datetime(2031, 3, 31, 23, 30, tzinfo=UTC)
    reservation_id = await billing.reserve()
    billing.clock.forward(hours=2)
    await billing.expire()

    await billing.capture(reservation_id)

    assert await billing.used(period_start=MARCH) == 1
    assert await billing.used(period_start=APRIL) == 0


async def test_a_renewed_reservation_counts_in_its_own_month(billing: BillingHarness) -> None:
    billing.clock.now = datetime(2031, 12, 31, 23, 30, tzinfo=UTC)
    reservation_id = await billing.reserve()
    billing.clock.forward(hours=2)
    await billing.expire()

    await billing.renew(reservation_id)

    assert await billing.used(period_start=date(2031, 12, 1)) == 1
    assert await billing.used(period_start=date(2032, 1, 1)) == 0
    assert await billing.is_balanced()


async def test_a_reservation_repeated_in_the_next_month_stays_in_its_month(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()
    billing.clock.now = datetime(2031, 4, 1, tzinfo=UTC)

    answer = await billing.reserve_all([reservation_id])

    assert answer.usage.used == 0
    assert answer.usage.period_start.ToDatetime(UTC) == datetime(2031, 4, 1, tzinfo=UTC)
    assert await billing.used(period_start=MARCH) == 1


async def test_released_places_return_to_their_user_and_month(billing: BillingHarness) -> None:
    ids = [await billing.reserve(user_id=user_id) for user_id in (JANE, JANE, OMAR)]
    billing.clock.now = datetime(2031, 4, 1, tzinfo=UTC)
    ids += [await billing.reserve(user_id=user_id) for user_id in (JANE, OMAR, OMAR)]

    await billing.release(*ids[1:])

    counts = [await billing.used(user_id, month) for user_id in (JANE, OMAR) for month in (MARCH, APRIL)]
    assert counts == [1, 0, 0, 0]
    assert await billing.is_balanced()
