"""Migrations create the tables that `tables.py` describes, even if several processes run them at once."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator

import psycopg
import pytest
from psycopg import sql

from loupe_local.process import output_of
from loupe_local.service_names import WITH_DATABASE
from loupe_local.services import services
from loupe_local.state import REPOSITORY
from loupe_local.stores import Stores

COUNT_WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database
    WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
"""


@pytest.fixture
async def empty_database(stores: Stores) -> AsyncGenerator[str]:
    """Yield the URL of an empty database, for psycopg."""
    name = sql.Identifier("empty")
    async with await psycopg.AsyncConnection.connect(stores.postgres.admin_url(), autocommit=True) as admin:
        await admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield stores.postgres.admin_url("empty")
        await admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


async def alembic(service: str, url: str, *arguments: str) -> tuple[int, str]:
    folder = REPOSITORY / "services" / service
    command = [sys.executable, "-m", "alembic", "--config", str(folder / "pyproject.toml"), *arguments]
    return await output_of(command, env=os.environ | {f"{service.upper()}_DATABASE_URL": url}, cwd=folder)


@pytest.mark.parametrize("service", WITH_DATABASE)
async def test_migrations_create_the_tables_that_the_code_describes(stores: Stores, service: str) -> None:
    await services(stores, {}).migrate(service)

    status, output = await alembic(service, stores.database_url(service), "check")

    assert status == 0, output
    assert "No new upgrade operations detected" in output


@pytest.mark.parametrize("service", WITH_DATABASE)
async def test_two_migrations_at_once_take_turns(empty_database: str, service: str) -> None:
    url = empty_database.replace("postgresql:", "postgresql+psycopg:")
    async with await psycopg.AsyncConnection.connect(empty_database) as first:
        await first.execute("SELECT pg_advisory_xact_lock(hashtext('alembic'))")
        migrations = [asyncio.create_task(alembic(service, url, "upgrade", "head")) for _ in range(2)]
        async with asyncio.timeout(60):
            while (await (await first.execute(COUNT_WAITING)).fetchone()) != (2,):
                await asyncio.sleep(0.05)

    results = await asyncio.gather(*migrations)

    assert [status for status, _ in results] == [0, 0], results
    async with await psycopg.AsyncConnection.connect(empty_database) as connection:
        assert (
            len(await (await connection.execute("SELECT version_num FROM alembic_version")).fetchall()) == 1
        )


async def test_a_migration_fails_if_a_table_is_locked_for_long_and_succeeds_later(
    empty_database: str,
) -> None:
    url = empty_database.replace("postgresql:", "postgresql+psycopg:")
    await alembic("auth", url, "upgrade", "0002")
    async with await psycopg.AsyncConnection.connect(empty_database) as backup:
        await backup.execute("LOCK TABLE outbox IN ACCESS SHARE MODE")
        status_during, output = await alembic("auth", url, "upgrade", "head")

    status_after, _ = await alembic("auth", url, "upgrade", "head")

    assert status_during != 0
    assert "lock timeout" in output
    assert status_after == 0
