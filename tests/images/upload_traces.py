"""Reads everything that a failed upload could leave behind, and makes a database refuse commits."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import sqlalchemy as sa

from billing.domain import subscriptions
from billing.plans import load
from common.db import Sessions
from tests.images.harness import Harness, list_keys, read_events


async def set_plan(harness: Harness, slug: str, user_id: int = 1) -> None:
    async with harness.billing_sessions.begin() as session:
        await subscriptions.set_plan(session, load(""), user_id, slug)


async def query_value(sessions: Sessions, statement: str) -> Any:
    async with sessions.begin() as session:
        return (await (await session.connection()).execute(sa.text(statement))).scalar()


async def read_used_quota(harness: Harness) -> int:
    return await query_value(harness.billing_sessions, "SELECT coalesce(sum(used), 0) FROM quota")


async def nothing_is_left(harness: Harness) -> bool:
    """Return whether there is no row, object, used quota, event or note of an upload."""
    rows = await query_value(
        harness.sessions, "SELECT (SELECT count(*) FROM image) + (SELECT count(*) FROM batch)"
    )
    return (
        rows,
        await list_keys(harness),
        await read_used_quota(harness),
        await read_events(harness.sessions),
        await query_value(harness.sessions, "SELECT count(*) FROM upload_intent"),
    ) == (0, [], 0, [], 0)


@contextlib.asynccontextmanager
async def refuse_commits(sessions: Sessions, table: str, when: str) -> AsyncGenerator[None]:
    """Let the database refuse commits that change the table's rows. `when` is INSERT, UPDATE or DELETE."""

    async def run(*statements: str) -> None:
        async with sessions.begin() as session:
            for statement in statements:
                await (await session.connection()).execute(sa.text(statement))

    await run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$",
        f"CREATE CONSTRAINT TRIGGER refuse AFTER {when} ON {table} "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    try:
        yield
    finally:
        await run(f"DROP TRIGGER refuse ON {table}", "DROP FUNCTION refuse()")
