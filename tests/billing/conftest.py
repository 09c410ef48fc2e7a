"""Runs billing in a real server on its own database. Each test starts with empty tables."""

from collections.abc import AsyncGenerator

import pytest
import sqlalchemy as sa

from common import db
from common.db import Sessions
from loupe_local.services import services
from loupe_local.stores import Stores
from tests.billing.harness import BillingHarness, Clock, running


@pytest.fixture(scope="session")
async def schema(stores: Stores) -> AsyncGenerator[Sessions]:
    await services(stores, {}).migrate("billing")
    engine = db.engine(stores.database_url("billing"))
    yield db.sessions(engine)
    await engine.dispose()


@pytest.fixture
async def sessions(schema: Sessions) -> Sessions:
    async with schema.begin() as session:
        tables = sa.text("TRUNCATE outbox, quota, reservation, ledger_entry, subscription RESTART IDENTITY")
        await (await session.connection()).execute(tables)
    return schema


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that billing uses instead of the real time."""
    clock = Clock()
    for module in ("domain.history", "domain.quotas", "domain.subscriptions", "rpc"):
        monkeypatch.setattr(f"billing.{module}.now", clock)
    return clock


@pytest.fixture
async def billing(sessions: Sessions, clock: Clock) -> AsyncGenerator[BillingHarness]:
    async with running(sessions, clock) as under_test:
        yield under_test
