"""Checks everything that a failed upload could leave behind, and makes a database refuse commits."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import sqlalchemy as sa

from billing.domain import subscriptions
from billing.plans import load
from common.db import Sessions
from tests.images.harness import Harness, events, keys


async def put_on(harness: Harness, slug: str, user_id: int = 1) -> None:
    async with harness.billing_sessions.begin() as session:
        await subscriptions.set_plan(session, load(""), user_id, slug)


async def one(sessions: Sessions, statement: str) -> Any:
    async with sessions.begin() as session:
        return (await (await session.connection()).execute(sa.text(statement))).scalar()


async def used(harness: Harness) -> int:
    return await one(harness.billing_sessions, "SELECT coalesce(sum(used), 0) FROM quota")


async def nothing_is_left(harness: Harness) -> bool:
    rows = await one(harness.sessions, "SELECT (SELECT count(*) FROM image) + (SELECT count(*) FROM batch)")
    return (rows, await keys(harness), await used(harness), await events(harness.sessions)) == (0, [], 0, [])


@contextlib.asynccontextmanager
async def refusing(sessions: Sessions, table: str, when: str) -> AsyncGenerator[None]:
    """Let the database refuse commits that change the table's rows."""

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
