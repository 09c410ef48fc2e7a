"""The images of a user by day and by month, summed from the ledger."""

import uuid
from datetime import date, datetime

import pytest
import sqlalchemy as sa

from common import errors
from loupe.billing.v1 import billing_pb2 as pb
from tests.billing.harness import JANE, OMAR, BillingHarness

ENTER = """
    INSERT INTO ledger_entry (reservation_id, user_id, period_start, change, reason, created_at)
    VALUES (:reservation_id, :user_id, :period_start, :change, :reason, :created_at)
"""
CHANGES = {"reserved": 1, "captured": 0, "released": -1, "expired": -1, "retaken": 1}
Sums = tuple[int, int, int, int]
"""Accepted, completed, returned and used images."""


async def enter(
    billing: BillingHarness, at: str, *reasons: str, month: str = "", user_id: int = JANE
) -> None:
    """Add the entries of one reservation, all made at the same time."""
    reservation_id = uuid.uuid4()
    async with billing.sessions.begin() as session:
        for reason in reasons:
            values = {
                "reservation_id": reservation_id,
                "user_id": user_id,
                "period_start": date.fromisoformat(month or f"{at[:7]}-01"),
                "change": CHANGES[reason],
                "reason": reason,
                "created_at": datetime.fromisoformat(at),
            }
            await (await session.connection()).execute(sa.text(ENTER), values)


async def history(
    billing: BillingHarness, first: str = "", last: str = "", *, by_month: bool = False, user_id: int = JANE
) -> dict[str, Sums]:
    request = pb.GetUsageHistoryRequest(first=first, last=last, by_month=by_month)
    answer = await billing.user(user_id).GetUsageHistory(request)
    return {each.start: (each.accepted, each.completed, each.returned, each.used) for each in answer.sums}


async def test_days_are_summed_in_utc_and_days_without_images_are_listed(billing: BillingHarness) -> None:
    await enter(billing, "2031-03-10T23:59:59.999+00:00", "reserved", "captured")
    await enter(billing, "2031-03-11T01:00:00+02:00", "reserved", "captured")  # the 10th in UTC
    await enter(billing, "2031-03-12T00:00:00+00:00", "reserved", "released")
    await enter(billing, "2031-03-12T10:00:00+00:00", "reserved", "expired", "retaken", "captured")
    await enter(billing, "2031-03-12T10:00:00+00:00", "reserved", user_id=OMAR)

    assert await history(billing, "2031-03-10", "2031-03-13") == {
        "2031-03-10": (2, 2, 0, 2),
        "2031-03-11": (0, 0, 0, 0),
        "2031-03-12": (2, 1, 1, 1),
        "2031-03-13": (0, 0, 0, 0),
    }


async def test_a_place_given_back_in_the_next_month_is_returned_that_day_and_counted_in_its_own_month(
    billing: BillingHarness,
) -> None:
    await enter(billing, "2031-02-28T23:00:00+00:00", "reserved")
    await enter(billing, "2031-03-01T00:30:00+00:00", "released", month="2031-02-01")

    assert await history(billing, "2031-02-28", "2031-03-01") == {
        "2031-02-28": (1, 0, 0, 1),
        "2031-03-01": (0, 0, 1, -1),
    }
    assert await history(billing, "2031-02-01", "2031-03-31", by_month=True) == {
        "2031-02-01": (1, 0, 1, 0),
        "2031-03-01": (0, 0, 0, 0),
    }


async def test_the_last_30_days_and_12_months_are_the_default(billing: BillingHarness) -> None:
    days, months = await history(billing), await history(billing, by_month=True)

    assert (len(days), *list(days)[:: len(days) - 1]) == (30, "2031-02-14", "2031-03-15")
    assert (len(months), *list(months)[:: len(months) - 1]) == (12, "2030-04-01", "2031-03-01")


async def test_the_history_agrees_with_the_counter(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    completed, given_back, _ = [await billing.reserve() for _ in range(3)]
    await billing.capture(completed)
    await billing.release(given_back)

    this_month = await history(billing, by_month=True)

    assert this_month["2031-03-01"] == (3, 1, 1, 2)
    assert this_month["2031-03-01"][3] == await billing.used()


@pytest.mark.parametrize("by_month", [False, True])
async def test_the_longest_range_is_accepted(billing: BillingHarness, *, by_month: bool) -> None:
    first, last, count = ("2028-04-01", "2031-03-31", 36) if by_month else ("2030-12-14", "2031-03-15", 92)

    assert len(await history(billing, first, last, by_month=by_month)) == count


@pytest.mark.parametrize(
    ("first", "last", "by_month", "field", "text"),
    [
        ("2031-2-1", "", False, "from", "The from must be a day such as 2026-02-01."),
        ("2031-02-30", "", False, "from", "The from must be a day such as 2026-02-01."),
        ("", "tomorrow", True, "to", "The to must be a day such as 2026-02-01."),
        ("", "2031-03-15T00:00:00Z", False, "to", "The to must be a day such as 2026-02-01."),
        ("", "٢٠٣١-03-15", False, "to", "The to must be a day such as 2026-02-01."),
        ("2031-03-02", "2031-03-01", False, "from", "The from must not be after the to."),
        ("2031-04-01", "", True, "from", "The from must not be after the to."),
        ("2030-12-13", "2031-03-15", False, "from", "The range may not be longer than 92 days."),
        ("2028-03-31", "2031-03-01", True, "from", "The range may not be longer than 36 months."),
    ],
)
async def test_a_wrong_range_is_refused(
    billing: BillingHarness, first: str, last: str, field: str, text: str, *, by_month: bool
) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await history(billing, first, last, by_month=by_month)

    assert caught.value.fields == {field: [text]}
