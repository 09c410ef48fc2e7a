"""Runs outbound in a real server on its own database. Each test starts with empty tables."""

from collections.abc import AsyncGenerator

import pytest
import sqlalchemy as sa

from common import db
from common.db import Sessions
from loupe_local.services import services
from loupe_local.stores import Stores
from tests.outbound.harness import Clock, OutboundHarness, running


@pytest.fixture(scope="session")
async def schema(stores: Stores) -> AsyncGenerator[Sessions]:
    await services(stores, {}).migrate("outbound")
    engine = db.engine(stores.database_url("outbound"))
    yield db.sessions(engine)
    await engine.dispose()


@pytest.fixture
async def sessions(schema: Sessions) -> Sessions:
    async with schema.begin() as session:
        tables = "TRUNCATE outbox, webhook, account_secret, delivery, lane, turn RESTART IDENTITY"
        await (await session.connection()).execute(sa.text(tables))
    return schema


@pytest.fixture
async def outbound(sessions: Sessions) -> AsyncGenerator[OutboundHarness]:
    async with running(sessions, Clock()) as under_test:
        yield under_test
