"""Runs auth in a real server on its own database. Each test starts with empty tables and a new key ring."""

from collections.abc import AsyncGenerator

import pytest
import sqlalchemy as sa

from common import db
from common.db import Sessions
from loupe_local.services import services
from loupe_local.stores import Stores
from tests.auth.harness import AuthHarness, running


@pytest.fixture(scope="session")
async def schema(stores: Stores) -> AsyncGenerator[Sessions]:
    await services(stores, {}).migrate("auth")
    engine = db.engine(stores.database_url("auth"), pool_size=20)
    yield db.sessions(engine)
    await engine.dispose()


@pytest.fixture
async def sessions(schema: Sessions) -> Sessions:
    async with schema.begin() as session:
        tables = sa.text(
            "TRUNCATE outbox, signing_key, guesses, mail_count, audit_entry, first_run, user_account"
            " RESTART IDENTITY CASCADE"
        )
        await (await session.connection()).execute(tables)
    return schema


@pytest.fixture
async def auth(sessions: Sessions) -> AsyncGenerator[AuthHarness]:
    async with running(sessions) as under_test:
        yield under_test


@pytest.fixture
async def auth_without_mail(sessions: Sessions) -> AsyncGenerator[AuthHarness]:
    """An installation in which addresses need not be verified."""
    async with running(sessions, email_verification=False) as under_test:
        yield under_test
