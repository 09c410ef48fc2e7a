"""Counter, reservations and ledger of each month agree, whatever happens in whatever order."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlmodel.ext.asyncio.session import AsyncSession

from billing import plans
from billing.domain import quotas
from common import db, errors
from common.db import Sessions
from loupe_local.stores import Stores
from tests.billing.harness import Clock

LIMIT = 6
PLANS = plans.Plans(plan=(plans.load("").free.model_copy(update={"images_per_month": LIMIT}),))
CLEAR = sa.text("TRUNCATE outbox, quota, reservation, ledger_entry, subscription RESTART IDENTITY")
RESERVATIONS = sa.text("""
    SELECT reservation.id, state, sum(change) FROM reservation
    JOIN ledger_entry ON reservation_id = reservation.id GROUP BY 1, 2
""")
ENTRIES = sa.text("""
    SELECT id, reservation_id, user_id, period_start, change, reason FROM ledger_entry ORDER BY id
""")
ENOUGH = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
Result = TypeVar("Result")
Ids = tuple[uuid.UUID, ...]
Month = tuple[int, date]
users = st.sampled_from((7, 8))


async def read_accounts(
    session: AsyncSession,
) -> tuple[dict[Month, int], dict[uuid.UUID, tuple[str, int]], list[tuple[Any, ...]]]:
    """Return the count of each month, state and sum of entries of each reservation, and all entries."""
    connection = await session.connection()
    quota = await connection.execute(sa.text("SELECT user_id, period_start, used FROM quota"))
    counted = {(user_id, period_start): used for user_id, period_start, used in quota}
    reservations = await connection.execute(RESERVATIONS)
    states = {reservation: (state, total) for reservation, state, total in reservations}
    entries = await connection.execute(ENTRIES)
    return counted, states, [tuple(entry) for entry in entries]


async def clear_tables(session: AsyncSession) -> None:
    await (await session.connection()).execute(CLEAR)


@dataclass
class ModelReservation:
    month: Month
    state: str
    expires_at: datetime


@dataclass
class Model:
    """The same rules without a database."""

    known: dict[uuid.UUID, ModelReservation] = field(default_factory=dict[uuid.UUID, ModelReservation])

    def used(self) -> Counter[Month]:
        return Counter(
            reservation.month
            for reservation in self.known.values()
            if reservation.state in ("reserved", "captured")
        )

    def of(self, ids: Ids, *states: str) -> list[ModelReservation]:
        return [
            self.known[reservation]
            for reservation in set(ids)
            if reservation in self.known and self.known[reservation].state in states
        ]


@dataclass
class QuotaHarness:
    """The database, an event loop to work with it, and a count of what has happened."""

    loop: asyncio.Runner
    sessions: Sessions
    clock: Clock
    happened: Counter[str] = field(default_factory=Counter[str])

    def run(self, work: Callable[[AsyncSession], Coroutine[Any, Any, Result]]) -> Result:
        async def committed() -> Result:
            async with self.sessions.begin() as session:
                return await work(session)

        return self.loop.run(committed())


class Months(RuleBasedStateMachine):
    """Makes each step both in the database and in the model, and compares the two."""

    ids: Bundle[uuid.UUID] = Bundle("ids")

    def __init__(self, harness: QuotaHarness) -> None:
        super().__init__()
        self.harness = harness
        self.model = Model()
        self.created = 0
        self.calls: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.earlier_entries: list[tuple[Any, ...]] = []
        harness.clock.now = Clock().now
        harness.run(clear_tables)

    def _call(self, step: Callable[..., None], *arguments: Any) -> None:
        self.calls.append((step, arguments))
        step(*arguments)

    def _new(self, count: int) -> Ids:
        self.created += count
        return tuple(uuid.UUID(int=number) for number in range(self.created - count, self.created))

    @rule(target=ids, user_id=users, count=st.integers(1, 5))
    def reserve(self, user_id: int, count: int) -> MultipleResults[uuid.UUID]:
        new = self._new(count)
        self._call(self._reserve, user_id, new)
        return multiple(*new)

    @rule(user_id=users, chosen=st.lists(ids, min_size=1, max_size=3), more=st.integers(0, 2))
    @precondition(lambda self: self.created > 0)
    def reserve_again(self, user_id: int, chosen: list[uuid.UUID], more: int) -> None:
        self._call(self._reserve, user_id, (*chosen, *self._new(more)))

    @rule(chosen=st.lists(ids, min_size=1, max_size=3))
    @precondition(lambda self: self.created > 0)
    def capture(self, chosen: list[uuid.UUID]) -> None:
        self._call(self._capture, tuple(chosen))

    @rule(chosen=st.lists(ids, min_size=1, max_size=3))
    @precondition(lambda self: self.created > 0)
    def release(self, chosen: list[uuid.UUID]) -> None:
        self._call(self._release, tuple(chosen))

    @rule(chosen=st.lists(ids, min_size=1, max_size=4))
    @precondition(lambda self: self.created > 0)
    def renew(self, chosen: list[uuid.UUID]) -> None:
        self._call(self._renew, tuple(chosen))

    @rule(hours=st.sampled_from((0.0, 0.2, 2.0)))
    def expire(self, hours: float) -> None:
        self.harness.clock.forward(hours=hours)
        self._call(self._expire)

    @rule(which=st.integers(0, 10**6))
    @precondition(lambda self: bool(self.calls))
    def retry(self, which: int) -> None:
        """Repeat an earlier call, as a caller does who got no answer."""
        step, arguments = self.calls[which % len(self.calls)]
        self.harness.happened["retry"] += 1
        step(*arguments)

    @rule(hours=st.sampled_from((0.2, 0.5, 2.0)))
    def wait(self, hours: float) -> None:
        self.harness.clock.forward(hours=hours)

    @rule(minutes=st.sampled_from((-6, 0)))
    def roll_over(self, minutes: int) -> None:
        """Move to the first instant of the next month, or to the last minutes of this reservation."""
        next_month = quotas.next_period(quotas.period_of(self.harness.clock()))
        then = datetime.combine(next_month, time(), UTC) + timedelta(minutes=minutes)
        self.harness.clock.now = max(self.harness.clock.now, then)
        self.harness.happened["rolled over"] += 1

    def _reserve(self, user_id: int, ids: Ids) -> None:
        month = user_id, quotas.period_of(self.harness.clock())
        expires_at = self.harness.clock() + timedelta(hours=1)
        new = {reservation for reservation in ids if reservation not in self.model.known}
        is_too_much = bool(new) and self.model.used()[month] + len(new) > LIMIT
        try:
            self.harness.run(
                lambda session: quotas.reserve(
                    session,
                    PLANS,
                    reservation_ids=ids,
                    user_id=user_id,
                    api_request=False,
                    expires_at=expires_at,
                )
            )
        except errors.PermissionDenied:
            assert is_too_much
            self.harness.happened["refused"] += 1
        else:
            assert not is_too_much
            self.model.known |= {
                reservation: ModelReservation(month, "reserved", expires_at) for reservation in new
            }

    def _capture(self, ids: Ids) -> None:
        self.harness.run(lambda session: quotas.capture(session, ids))
        for reservation in self.model.of(ids, "reserved", "expired"):
            self.harness.happened[f"captured after {reservation.state}"] += 1
            reservation.state = "captured"

    def _release(self, ids: Ids) -> None:
        self.harness.run(lambda session: quotas.release(session, ids))
        for reservation in self.model.of(ids, "reserved"):
            self.harness.happened["released"] += 1
            reservation.state = "released"

    def _renew(self, ids: Ids) -> None:
        expires_at = self.harness.clock() + timedelta(hours=1)
        self.harness.run(lambda session: quotas.renew(session, ids, expires_at))
        for reservation in self.model.of(ids, "reserved", "expired"):
            self.harness.happened[f"renewed after {reservation.state}"] += 1
            reservation.state, reservation.expires_at = "reserved", expires_at

    def _expire(self) -> None:
        expired = self.harness.run(quotas.expire)
        overdue = [
            reservation
            for reservation in self.model.known.values()
            if reservation.state == "reserved" and reservation.expires_at < self.harness.clock()
        ]
        for reservation in overdue:
            reservation.state = "expired"
        self.harness.happened["expired"] += expired
        assert expired == len(overdue)

    @invariant()
    def the_books_balance(self) -> None:
        counted, reservations, entries = self.harness.run(read_accounts)
        sums = Counter[Month]()
        for _, _, user_id, period_start, change, _ in entries:
            sums[user_id, period_start] += change
        assert counted == {month: sums[month] for month in counted}
        assert sums.keys() == counted.keys()
        assert all(used >= 0 for used in counted.values())
        assert +Counter(counted) == self.model.used()
        assert reservations == {
            reservation: (known.state, int(known.state in ("reserved", "captured")))
            for reservation, known in self.model.known.items()
        }
        assert entries[: len(self.earlier_entries)] == self.earlier_entries
        self.earlier_entries = entries


@pytest.fixture
def harness(schema: Sessions, stores: Stores, clock: Clock, tmp_path: Path) -> Generator[QuotaHarness]:
    set_hypothesis_home_dir(tmp_path)  # by default it writes to the current directory
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as loop:
        engine = db.engine(stores.database_url("billing"), pool_size=1)
        yield QuotaHarness(loop, db.sessions(engine), clock)
        loop.run(engine.dispose())


@pytest.mark.timeout(
    600
)  # only a failure takes that long, because hypothesis then looks for a smaller example
def test_counter_and_ledger_agree_after_any_order_of_events(harness: QuotaHarness) -> None:
    run_state_machine_as_test(lambda: Months(harness), settings=ENOUGH)  # pyright: ignore[reportArgumentType]  any factory

    assert {kind for kind, times in harness.happened.items() if times} == {
        "refused",
        "retry",
        "rolled over",
        "captured after reserved",
        "captured after expired",
        "released",
        "expired",
        "renewed after reserved",
        "renewed after expired",
    }
