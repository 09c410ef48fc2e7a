"""Pages of a hundred thousand images are exact, and late pages read hardly more than the first."""

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
from tests.images.harness import Harness, delete_everything
from tests.million import insert_images

JANE, OMAR = 1, 2
SIZE = 15
WITH_OTHERS = 111_111
LAST = 6_667
FEW_BLOCKS = 150
"""Enough database blocks of 8 KiB for the sums and for a thousand skipped images."""
ONE_BY_ONE = """
    SELECT id FROM image WHERE user_id = {user_id} AND status IN ({statuses})
    ORDER BY id DESC LIMIT {size} OFFSET {offset}
"""
COUNT = "SELECT count(*) FROM image WHERE user_id = {user_id} AND status IN ({statuses})"


@pytest.fixture(scope="module")
async def sessions(running: Harness) -> AsyncGenerator[Sessions]:
    """A hundred thousand images of Jane, with images of another user in between."""
    await delete_everything(running)
    async with running.sessions.begin() as session:
        await insert_images(session, JANE, OMAR, WITH_OTHERS)
    yield running.sessions
    await delete_everything(running)


async def execute(sessions: Sessions, statement: str) -> list[Any]:
    async with sessions.begin() as session:
        result = await (await session.connection()).execute(sa.text(statement))
        return list(result.scalars()) if result.returns_rows else []


async def read_page(
    sessions: Sessions, number: int, status: Status | None = None, user_id: int = JANE
) -> tuple[list[int | None], int]:
    async with sessions.begin() as session:
        images, total = await pages.page(session, user_id, status, number=number, size=SIZE)
    return [image.id for image in images], total


async def read_page_one_by_one(
    sessions: Sessions, number: int, status: Status | None = None, user_id: int = JANE
) -> tuple[list[int | None], int]:
    """Return the same page by skipping and counting images one by one."""
    statuses = ", ".join(f"'{each}'" for each in ([status] if status else Status))
    query = ONE_BY_ONE.format(user_id=user_id, statuses=statuses, size=SIZE, offset=(number - 1) * SIZE)
    [total] = await execute(sessions, COUNT.format(user_id=user_id, statuses=statuses))
    return await execute(sessions, query), total


async def count_blocks_read(sessions: Sessions, number: int, status: Status | None = None) -> int:
    """Return the database blocks read by all queries of the page."""
    statements = list[tuple[str, Any]]()

    def record(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    engine = sessions.kw["bind"].sync_engine
    event.listen(engine, "before_cursor_execute", record)
    await read_page(sessions, number, status)
    event.remove(engine, "before_cursor_execute", record)
    async with sessions.begin() as session:
        connection = await session.connection()
        plans = [
            (
                await connection.exec_driver_sql(
                    f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", parameters
                )
            ).scalar()
            for text, parameters in statements
            if text.lstrip().startswith("SELECT")
        ]
    assert len(plans) == 3
    nodes = [(plan if isinstance(plan, list) else json.loads(str(plan)))[0]["Plan"] for plan in plans]
    return sum(node["Shared Hit Blocks"] + node["Shared Read Blocks"] for node in nodes)


@pytest.mark.parametrize("number", [1, 2, 3_000, 6_000, LAST, LAST + 1, 10**6])
async def test_a_page_has_the_images_that_skipping_one_by_one_finds(sessions: Sessions, number: int) -> None:
    assert await read_page(sessions, number) == await read_page_one_by_one(sessions, number)


@pytest.mark.parametrize("number", [1, 700, 5_000])
@pytest.mark.parametrize("status", Status)
async def test_a_page_of_one_status_has_the_images_that_skipping_one_by_one_finds(
    sessions: Sessions, status: Status, number: int
) -> None:
    assert await read_page(sessions, number, status) == await read_page_one_by_one(sessions, number, status)


async def test_pages_have_only_images_of_their_user(sessions: Sessions) -> None:
    assert await read_page(sessions, 500, user_id=OMAR) == await read_page_one_by_one(
        sessions, 500, user_id=OMAR
    )
    assert await read_page(sessions, 1, user_id=3) == ([], 0)


@pytest.mark.parametrize("status", [None, Status.COMPLETED, Status.FAILED])
async def test_no_page_reads_much_more_than_the_first(sessions: Sessions, status: Status | None) -> None:
    first = await count_blocks_read(sessions, 1, status)

    read = {number: await count_blocks_read(sessions, number, status) for number in (500, 3_000, 6_000, LAST)}

    assert max(read.values()) <= max(3 * first, FEW_BLOCKS), (first, read)


async def test_measuring_unfinished_work_reads_no_finished_images(sessions: Sessions) -> None:
    plan = "\n".join(await execute(sessions, f"EXPLAIN {UNFINISHED_WORK.text}"))

    assert "ix_image_unfinished" in plan
    assert "Seq Scan" not in plan


async def test_bulk_changes_leave_pages_and_totals_exact(sessions: Sessions) -> None:
    await execute(sessions, "DELETE FROM image WHERE id % 13 = 0 OR id BETWEEN 40000 AND 45000")
    await execute(sessions, "UPDATE image SET status = 'completed' WHERE status = 'failed' AND id < 10000")
    await execute(sessions, "UPDATE image SET status = 'pending' WHERE id BETWEEN 80000 AND 80100")

    for number in (1, 3_000, 5_000, 5_800, LAST):
        assert await read_page(sessions, number) == await read_page_one_by_one(sessions, number)
    for status in Status:
        assert await read_page(sessions, 60, status) == await read_page_one_by_one(sessions, 60, status)
