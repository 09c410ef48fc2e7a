"""Whatever happens in whatever order: each month's counter is the number of reservations that count in it,
and the sum of what the ledger says.
"""

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


async def books(
    session: AsyncSession,
) -> tuple[dict[Month, int], dict[uuid.UUID, tuple[str, int]], list[tuple[Any, ...]]]:
    """What each month has used, each reservation's state and the sum of its entries, and all entries."""
    connection = await session.connection()
    quota = await connection.execute(sa.text("SELECT user_id, period_start, used FROM quota"))
    counted = {(user_id, period_start): used for user_id, period_start, used in quota}
    reservations = await connection.execute(RESERVATIONS)
    states = {one: (state, total) for one, state, total in reservations}
    entries = await connection.execute(ENTRIES)
    return counted, states, [tuple(entry) for entry in entries]


async def cleared(session: AsyncSession) -> None:
    await (await session.connection()).execute(CLEAR)


@dataclass
class Known:
    month: Month
    state: str
    expires_at: datetime


@dataclass
class Model:
    """The rules once more, without a database."""

    known: dict[uuid.UUID, Known] = field(default_factory=dict[uuid.UUID, Known])

    def used(self) -> Counter[Month]:
        return Counter(one.month for one in self.known.values() if one.state in ("reserved", "captured"))

    def of(self, ids: Ids, *states: str) -> list[Known]:
        return [self.known[one] for one in set(ids) if one in self.known and self.known[one].state in states]


@dataclass
class Bench:
    """A database, an event loop of its own to work with it, and what has been seen to happen."""

    loop: asyncio.Runner
    sessions: Sessions
    clock: Clock
    seen: Counter[str] = field(default_factory=Counter[str])

    def run(self, work: Callable[[AsyncSession], Coroutine[Any, Any, Result]]) -> Result:
        async def committed() -> Result:
            async with self.sessions.begin() as session:
                return await work(session)

        return self.loop.run(committed())


class Months(RuleBasedStateMachine):
    """Makes each step in the database and in the model."""

    ids: Bundle[uuid.UUID] = Bundle("ids")

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        self.model = Model()
        self.made = 0
        self.calls: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.entered: list[tuple[Any, ...]] = []
        bench.clock.now = Clock().now
        bench.run(cleared)

    def _call(self, step: Callable[..., None], *arguments: Any) -> None:
        self.calls.append((step, arguments))
        step(*arguments)

    def _new(self, count: int) -> Ids:
        self.made += count
        return tuple(uuid.UUID(int=number) for number in range(self.made - count, self.made))

    @rule(target=ids, user_id=users, count=st.integers(1, 5))
    def reserve(self, user_id: int, count: int) -> MultipleResults[uuid.UUID]:
        new = self._new(count)
        self._call(self._reserve, user_id, new)
        return multiple(*new)

    @rule(user_id=users, some=st.lists(ids, min_size=1, max_size=3), more=st.integers(0, 2))
    @precondition(lambda self: self.made > 0)
    def reserve_again(self, user_id: int, some: list[uuid.UUID], more: int) -> None:
        self._call(self._reserve, user_id, (*some, *self._new(more)))

    @rule(some=st.lists(ids, min_size=1, max_size=3))
    @precondition(lambda self: self.made > 0)
    def capture(self, some: list[uuid.UUID]) -> None:
        self._call(self._capture, tuple(some))

    @rule(some=st.lists(ids, min_size=1, max_size=3))
    @precondition(lambda self: self.made > 0)
    def release(self, some: list[uuid.UUID]) -> None:
        self._call(self._release, tuple(some))

    @rule(some=st.lists(ids, min_size=1, max_size=4))
    @precondition(lambda self: self.made > 0)
    def renew(self, some: list[uuid.UUID]) -> None:
        self._call(self._renew, tuple(some))

    @rule(hours=st.sampled_from((0.0, 0.2, 2.0)))
    def expire(self, hours: float) -> None:
        self.bench.clock.forward(hours=hours)
        self._call(self._expire)

    @rule(which=st.integers(0, 10**6))
    @precondition(lambda self: bool(self.calls))
    def retry(self, which: int) -> None:
        """Any earlier call, for whoever did not hear the answer."""
        step, arguments = self.calls[which % len(self.calls)]
        self.bench.seen["retry"] += 1
        step(*arguments)

    @rule(hours=st.sampled_from((0.2, 0.5, 2.0)))
    def wait(self, hours: float) -> None:
        self.bench.clock.forward(hours=hours)

    @rule(minutes=st.sampled_from((-6, 0)))
    def roll_over(self, minutes: int) -> None:
        """To the first instant of the next month, or to the last minutes of this one."""
        begins = quotas.next_period(quotas.period_of(self.bench.clock()))
        then = datetime.combine(begins, time(), UTC) + timedelta(minutes=minutes)
        self.bench.clock.now = max(self.bench.clock.now, then)
        self.bench.seen["rolled over"] += 1

    def _reserve(self, user_id: int, ids: Ids) -> None:
        month = user_id, quotas.period_of(self.bench.clock())
        expires_at = self.bench.clock() + timedelta(hours=1)
        new = {one for one in ids if one not in self.model.known}
        is_too_much = bool(new) and self.model.used()[month] + len(new) > LIMIT
        try:
            self.bench.run(
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
            self.bench.seen["refused"] += 1
        else:
            assert not is_too_much
            self.model.known |= {one: Known(month, "reserved", expires_at) for one in new}

    def _capture(self, ids: Ids) -> None:
        self.bench.run(lambda session: quotas.capture(session, ids))
        for one in self.model.of(ids, "reserved", "expired"):
            self.bench.seen[f"captured after {one.state}"] += 1
            one.state = "captured"

    def _release(self, ids: Ids) -> None:
        self.bench.run(lambda session: quotas.release(session, ids))
        for one in self.model.of(ids, "reserved"):
            self.bench.seen["released"] += 1
            one.state = "released"

    def _renew(self, ids: Ids) -> None:
        expires_at = self.bench.clock() + timedelta(hours=1)
        self.bench.run(lambda session: quotas.renew(session, ids, expires_at))
        for one in self.model.of(ids, "reserved", "expired"):
            self.bench.seen[f"renewed after {one.state}"] += 1
            one.state, one.expires_at = "reserved", expires_at

    def _expire(self) -> None:
        expired = self.bench.run(quotas.expire)
        overdue = [
            one
            for one in self.model.known.values()
            if one.state == "reserved" and one.expires_at < self.bench.clock()
        ]
        for one in overdue:
            one.state = "expired"
        self.bench.seen["expired"] += expired
        assert expired == len(overdue)

    @invariant()
    def the_books_balance(self) -> None:
        counted, reservations, entries = self.bench.run(books)
        sums = Counter[Month]()
        for _, _, user_id, period_start, change, _ in entries:
            sums[user_id, period_start] += change
        assert counted == {month: sums[month] for month in counted}
        assert sums.keys() == counted.keys()
        assert all(used >= 0 for used in counted.values())
        assert +Counter(counted) == self.model.used()
        assert reservations == {
            one: (known.state, int(known.state in ("reserved", "captured")))
            for one, known in self.model.known.items()
        }
        assert entries[: len(self.entered)] == self.entered
        self.entered = entries


@pytest.fixture
def bench(schema: Sessions, stores: Stores, clock: Clock, tmp_path: Path) -> Generator[Bench]:
    set_hypothesis_home_dir(tmp_path)  # it keeps notes, by default where we stand
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as loop:
        engine = db.engine(stores.database_url("billing"), pool_size=1)
        yield Bench(loop, db.sessions(engine), clock)
        loop.run(engine.dispose())


@pytest.mark.timeout(600)  # only a failure takes that long: to be made small
def test_counter_and_ledger_agree_after_any_order_of_events(bench: Bench) -> None:
    run_state_machine_as_test(lambda: Months(bench), settings=ENOUGH)  # pyright: ignore[reportArgumentType]  any factory

    assert {kind for kind, times in bench.seen.items() if times} == {
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
