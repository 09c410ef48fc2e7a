"""Ledger entries: one for each change of a reservation, never modified. Their sum is the month's
count.
"""

import runpy
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import DBAPIError

from common import errors
from loupe.billing.v1 import billing_pb2 as pb
from loupe_local.state import REPOSITORY
from tests.billing.harness import JANE, OMAR, BillingHarness

MIGRATIONS = REPOSITORY / "services" / "billing" / "migrations" / "versions"


def as_tuples(entries: Iterable[pb.LedgerEntry]) -> list[tuple[str, str, int]]:
    return [(entry.reservation_id, entry.reason, entry.change) for entry in entries]


async def test_every_change_of_a_reservation_is_in_the_ledger(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    completed, given_back, late = [await billing.reserve() for _ in range(3)]

    await billing.capture(completed)
    await billing.release(given_back)
    billing.clock.forward(hours=2)
    await billing.expire()
    await billing.renew(late)
    await billing.capture(late)

    ledger = await billing.ledger()
    assert as_tuples(ledger.entries) == [
        (completed, "reserved", 1),
        (given_back, "reserved", 1),
        (late, "reserved", 1),
        (completed, "captured", 0),
        (given_back, "released", -1),
        (late, "expired", -1),
        (late, "retaken", 1),
        (late, "captured", 0),
    ]
    assert ledger.usage == (await billing.entitlement()).usage
    assert (ledger.usage.used, ledger.usage.limit) == (2, 25)
    times = [entry.created_at.ToNanoseconds() for entry in ledger.entries]
    assert times == sorted(times)
    assert times[0] > 0


async def test_completing_an_expired_reservation_is_recorded_as_retaken_and_captured(
    billing: BillingHarness,
) -> None:
    reservation_id = await billing.reserve()
    billing.clock.forward(hours=2)
    await billing.expire()

    await billing.capture(reservation_id)

    reasons = [reason for _, reason, _ in as_tuples((await billing.ledger()).entries)]
    assert reasons == ["reserved", "expired", "retaken", "captured"]
    assert await billing.is_balanced()


async def test_a_call_that_changes_nothing_adds_no_entry(billing: BillingHarness) -> None:
    await billing.reserve()
    reservation_id = await billing.reserve()
    await billing.release(reservation_id)
    before = await billing.ledger()

    await billing.reserve(reservation_id)
    await billing.release(reservation_id)
    await billing.capture(reservation_id)
    await billing.renew(reservation_id)
    await billing.release(str(uuid.uuid4()))
    with pytest.raises(errors.PermissionDenied):
        await billing.reserve_all([str(uuid.uuid4()) for _ in range(2)])

    assert await billing.ledger() == before


async def test_places_reserved_together_have_an_entry_each(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    ids = [str(uuid.uuid4()) for _ in range(20)]

    await billing.reserve_all(ids)
    await billing.release(*ids[:15])

    entries = as_tuples((await billing.ledger()).entries)
    assert sorted(entries[:20]) == sorted((each, "reserved", 1) for each in ids)
    assert sorted(entries[20:]) == sorted((each, "released", -1) for each in ids[:15])
    assert await billing.used() == 5
    assert await billing.is_balanced()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET change = 0",
        "UPDATE ledger_entry SET created_at = now() WHERE user_id = 7",
        "DELETE FROM ledger_entry",
    ],
)
async def test_the_database_refuses_to_change_or_delete_entries(
    billing: BillingHarness, statement: str
) -> None:
    await billing.reserve()
    before = await billing.ledger()

    with pytest.raises(DBAPIError, match="entries of the ledger are only added"):
        await billing.change(statement)

    assert await billing.ledger() == before


async def test_a_ledger_holds_one_user_and_one_month(billing: BillingHarness) -> None:
    march = await billing.reserve()
    await billing.reserve(user_id=OMAR)
    billing.clock.now = datetime(2031, 4, 1, tzinfo=UTC)
    april = await billing.reserve()
    await billing.capture(march)

    this_month, last_month = await billing.ledger(), await billing.ledger(period_start="2031-03-01")
    never = await billing.ledger(period_start="2030-12-01")

    assert as_tuples(this_month.entries) == [(april, "reserved", 1)]
    assert as_tuples(last_month.entries) == [(march, "reserved", 1), (march, "captured", 0)]
    assert last_month.usage.used == 1
    assert last_month.usage.resets_at.ToDatetime(UTC) == datetime(2031, 4, 1, tzinfo=UTC)
    assert (never.usage.used, len(never.entries)) == (0, 0)
    assert never.usage.resets_at.ToDatetime(UTC) == datetime(2031, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "period", ["2031-03-02", "2031-13-01", "2031-3-01", "20310301", "March", "2031-03-01 ", "1031-03-01"]
)
async def test_a_period_that_is_not_a_month_is_refused(billing: BillingHarness, period: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await billing.ledger(JANE, period)

    assert caught.value.reason == "invalid_period"
    assert period in caught.value.message


async def test_the_migration_fills_the_ledger_from_existing_reservations(billing: BillingHarness) -> None:
    """The statements of the migration run again, on reservations without entries."""
    migration = runpy.run_path(str(MIGRATIONS / "0002_the_ledger.py"))
    await billing.set_plan("starter")
    for end in (billing.capture, billing.release, None):
        for _ in range(2):
            reservation_id = await billing.reserve()
            if end:
                await end(reservation_id)
    await billing.change("TRUNCATE ledger_entry")
    assert not await billing.is_balanced()

    for statement in ("ACCEPTED_BEFORE", "SETTLED_BEFORE"):
        await billing.change(migration[statement])

    assert await billing.is_balanced()
    assert sorted(reason for _, reason, _ in as_tuples((await billing.ledger()).entries)) == [
        *["captured"] * 2,
        *["released"] * 2,
        *["reserved"] * 6,
    ]
