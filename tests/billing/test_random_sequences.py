"""Whatever happens in whatever order: each month's counter is the number of reservations that count in it."""

import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from billing_under_test import Clock

from billing import plans
from billing.domain import quotas
from common import errors
from common.db import Sessions

USERS = (7, 8, 9)
LIMIT = 4
PLANS = plans.Plans(plan=(plans.load("").free.model_copy(update={"images_per_month": LIMIT}),))


@dataclass
class Known:
    user_id: int
    period_start: date
    state: str
    expires_at: datetime


class Model:
    """The rules once more, without a database."""

    def __init__(self) -> None:
        self.reservations: dict[uuid.UUID, Known] = {}

    def used(self) -> Counter[tuple[int, date]]:
        return Counter(
            (one.user_id, one.period_start)
            for one in self.reservations.values()
            if one.state in ("reserved", "captured")
        )


class Walk:
    """Makes each step in the database and in the model."""

    def __init__(self, sessions: Sessions, clock: Clock, seed: int) -> None:
        self.model = Model()
        self.refused = 0
        self._sessions = sessions
        self._clock = clock
        self._random = random.Random(seed)

    async def step(self) -> None:
        steps: list[Callable[[], Awaitable[None]]] = [
            self._reserve,
            self._reserve,
            self._capture,
            self._release,
            self._renew,
            self._expire,
            self._wait,
        ]
        await self._random.choice(steps)()

    def _some(self) -> uuid.UUID:
        """Mostly one that is known."""
        known = list(self.model.reservations)
        return self._random.choice(known) if known and self._random.random() < 0.95 else uuid.uuid4()

    async def _reserve(self) -> None:
        reservation_id = self._some() if self._random.random() < 0.2 else uuid.uuid4()
        user_id, period_start = self._random.choice(USERS), quotas.period_of(self._clock())
        expires_at = self._clock() + timedelta(hours=1)
        known = self.model.reservations.get(reservation_id)
        is_full = self.model.used()[user_id, period_start] >= LIMIT
        try:
            async with self._sessions.begin() as session:
                await quotas.reserve(
                    session,
                    PLANS,
                    reservation_ids=[reservation_id],
                    user_id=user_id,
                    api_request=False,
                    expires_at=expires_at,
                )
        except errors.PermissionDenied:
            assert is_full
            assert known is None
            self.refused += 1
        else:
            assert known is not None or not is_full
            new = Known(user_id, period_start, "reserved", expires_at)
            self.model.reservations.setdefault(reservation_id, new)

    async def _capture(self) -> None:
        reservation_id = self._some()
        async with self._sessions.begin() as session:
            await quotas.capture(session, reservation_id)
        known = self.model.reservations.get(reservation_id)
        if known and known.state in ("reserved", "expired"):
            known.state = "captured"

    async def _release(self) -> None:
        reservation_id = self._some()
        async with self._sessions.begin() as session:
            await quotas.release(session, reservation_id)
        known = self.model.reservations.get(reservation_id)
        if known and known.state == "reserved":
            known.state = "released"

    async def _renew(self) -> None:
        ids = [self._some() for _ in range(self._random.randint(0, 4))]
        expires_at = self._clock() + timedelta(hours=1)
        async with self._sessions.begin() as session:
            await quotas.renew(session, ids, expires_at)
        for known in (self.model.reservations.get(one) for one in ids):
            if known and known.state in ("reserved", "expired"):
                known.state, known.expires_at = "reserved", expires_at

    async def _expire(self) -> None:
        async with self._sessions.begin() as session:
            expired = await quotas.expire(session)
        overdue = [
            one
            for one in self.model.reservations.values()
            if one.state == "reserved" and one.expires_at < self._clock()
        ]
        for one in overdue:
            one.state = "expired"
        assert expired == len(overdue)

    async def _wait(self) -> None:
        self._clock.forward(hours=self._random.choice([0.2, 0.5, 2, 24 * 9]))

    async def check(self) -> None:
        async with self._sessions.begin() as session:
            connection = await session.connection()
            counted = await connection.execute(sa.text("SELECT user_id, period_start, used FROM quota"))
            states = await connection.execute(sa.text("SELECT id, state FROM reservation"))
        used = {(user_id, period_start): used for user_id, period_start, used in counted if used}
        assert used == dict(self.model.used())
        assert dict(list(states)) == {
            reservation_id: known.state for reservation_id, known in self.model.reservations.items()
        }


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_counter_is_always_the_number_of_reservations_that_count(
    sessions: Sessions, clock: Clock, seed: int
) -> None:
    walk = Walk(sessions, clock, seed)

    for _ in range(300):
        await walk.step()
        await walk.check()

    assert walk.refused
    assert {known.state for known in walk.model.reservations.values()} == {
        "reserved",
        "captured",
        "released",
        "expired",
    }
