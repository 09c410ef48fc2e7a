"""Pages of a million images are exact, and the sixty-thousandth reads hardly more than the first."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from common.db import Sessions
from images.domain import pages
from images.gauges import UNFINISHED_WORK
from images.tables import Status
from tests.images.harness import Harness, emptied
from tests.million import a_million_images

pytestmark = pytest.mark.timeout(600)  # a million rows take ten seconds, and longer beside other work
JANE, OMAR = 1, 2
SIZE = 15
LAST = 66_667
FEW = 150
"""Database blocks of 8 KiB, for the sums and for a thousand skipped images."""
PLAIN = """
    SELECT id FROM image WHERE user_id = {user_id} AND status IN ({statuses})
    ORDER BY id DESC LIMIT {size} OFFSET {offset}
"""
COUNT = "SELECT count(*) FROM image WHERE user_id = {user_id} AND status IN ({statuses})"


@pytest.fixture(scope="module")
async def sessions(running: Harness) -> AsyncGenerator[Sessions]:
    """A million images of Jane, with images of another user in between."""
    await emptied(running)
    async with running.sessions.begin() as session:
        await a_million_images(session, JANE, OMAR)
    yield running.sessions
    await emptied(running)


async def execute(sessions: Sessions, statement: str) -> list[Any]:
    async with sessions.begin() as session:
        result = await (await session.connection()).execute(sa.text(statement))
        return list(result.scalars()) if result.returns_rows else []


async def page(
    sessions: Sessions, number: int, status: Status | None = None, user_id: int = JANE
) -> tuple[list[int | None], int]:
    async with sessions.begin() as session:
        images, total = await pages.page(session, user_id, status, number=number, size=SIZE)
    return [image.id for image in images], total


async def plainly(
    sessions: Sessions, number: int, status: Status | None = None, user_id: int = JANE
) -> tuple[list[int | None], int]:
    """Return the same page by skipping and counting images one by one."""
    statuses = ", ".join(f"'{each}'" for each in ([status] if status else Status))
    query = PLAIN.format(user_id=user_id, statuses=statuses, size=SIZE, offset=(number - 1) * SIZE)
    [total] = await execute(sessions, COUNT.format(user_id=user_id, statuses=statuses))
    return await execute(sessions, query), total


async def blocks_read(sessions: Sessions, number: int, status: Status | None = None) -> int:
    """Return the database blocks read by all queries of the page."""
    asked = list[tuple[str, Any]]()

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    engine = sessions.kw["bind"].sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await page(sessions, number, status)
    event.remove(engine, "before_cursor_execute", note)
    async with sessions.begin() as session:
        connection = await session.connection()
        plans = [
            (
                await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", given)
            ).scalar()
            for text, given in asked
            if text.lstrip().startswith("SELECT")
        ]
    assert len(plans) == 2
    nodes = [(plan if isinstance(plan, list) else json.loads(str(plan)))[0]["Plan"] for plan in plans]
    return sum(node["Shared Hit Blocks"] + node["Shared Read Blocks"] for node in nodes)


@pytest.mark.parametrize("number", [1, 2, 30_000, 60_000, LAST, LAST + 1, 10**6])
async def test_a_page_holds_what_skipping_one_by_one_would_find(sessions: Sessions, number: int) -> None:
    assert await page(sessions, number) == await plainly(sessions, number)


@pytest.mark.parametrize("number", [1, 7_000, 50_000])
@pytest.mark.parametrize("status", Status)
async def test_a_page_of_one_status_holds_what_skipping_one_by_one_would_find(
    sessions: Sessions, status: Status, number: int
) -> None:
    assert await page(sessions, number, status) == await plainly(sessions, number, status)


async def test_the_other_users_pages_are_their_own(sessions: Sessions) -> None:
    assert await page(sessions, 5_000, user_id=OMAR) == await plainly(sessions, 5_000, user_id=OMAR)
    assert await page(sessions, 1, user_id=3) == ([], 0)


@pytest.mark.parametrize("status", [None, Status.COMPLETED, Status.FAILED])
async def test_no_page_reads_much_more_than_the_first(sessions: Sessions, status: Status | None) -> None:
    first = await blocks_read(sessions, 1, status)

    read = {number: await blocks_read(sessions, number, status) for number in (5_000, 30_000, 60_000, LAST)}

    assert max(read.values()) <= max(3 * first, FEW), (first, read)


async def test_measuring_what_is_unfinished_reads_no_other_images(sessions: Sessions) -> None:
    plan = "\n".join(await execute(sessions, f"EXPLAIN {UNFINISHED_WORK.text}"))

    assert "ix_image_unfinished" in plan
    assert "Seq Scan" not in plan


async def test_bulk_changes_leave_pages_and_totals_exact(sessions: Sessions) -> None:
    await execute(sessions, "DELETE FROM image WHERE id % 13 = 0 OR id BETWEEN 400000 AND 450000")
    await execute(sessions, "UPDATE image SET status = 'completed' WHERE status = 'failed' AND id < 100000")
    await execute(sessions, "UPDATE image SET status = 'pending' WHERE id BETWEEN 800000 AND 801000")

    for number in (1, 30_000, 50_000, 58_000, LAST):
        assert await page(sessions, number) == await plainly(sessions, number)
    for status in Status:
        assert await page(sessions, 900, status) == await plainly(sessions, 900, status)
