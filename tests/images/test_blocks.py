"""The table of blocks counts images. Its counts stay correct whatever changes the images, in any order."""

import asyncio
import contextlib
import importlib.util
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, update

from common import errors
from common.db import Sessions
from images.domain import jobs, library, lost_jobs
from images.tables import Image, Status
from loupe.inference.v1 import inference_pb2
from loupe_local.state import REPOSITORY
from tests.images.harness import RULES, build_image, insert_image

USERS = (1, 2, 3)
MIGRATION = REPOSITORY / "services/images/migrations/versions/0002_batches_blocks_former_users.py"
DISAGREEMENTS = """
    WITH counted AS (
        SELECT image.user_id, max(block.first_id) AS first_id, image.status
        FROM image LEFT JOIN image_block AS block
            ON block.user_id = image.user_id AND block.first_id <= image.id
        GROUP BY image.id
    ), of_images AS (
        SELECT user_id, first_id, count(*) AS total,
            count(*) FILTER (WHERE status = 'completed') AS completed,
            count(*) FILTER (WHERE status = 'failed') AS failed
        FROM counted GROUP BY user_id, first_id
    )
    SELECT * FROM of_images FULL JOIN image_block AS block USING (user_id, first_id)
    WHERE (coalesce(of_images.total, 0), coalesce(of_images.completed, 0), coalesce(of_images.failed, 0))
        IS DISTINCT FROM (block.total, block.completed, block.failed)
"""
BLOCKS = "SELECT user_id, first_id, total FROM image_block ORDER BY user_id, first_id"
ROWS = """
    INSERT INTO image ({id}user_id, original_filename, original_path, original_bytes, original_width,
        original_height, upscaled_path, upscaled_format, upscaled_width, upscaled_height, status, api_request,
        is_priority, reservation_id, reserved_until, attempt, excused, created_at, updated_at)
    SELECT {n}n % {users} + 1, 'photo.png', n::text, 1, 1, 1, 'key', 'PNG', 2, 2,
        (array['pending', 'processing', 'completed', 'failed'])[n / 2 % 4 + 1], true, false,
        gen_random_uuid(), now(), 0, 0, now(), now()
    FROM generate_series({first}, {last}) AS n
"""


async def execute(sessions: Sessions, *statements: str) -> list[sa.Row[Any]]:
    """Return the rows of the last statement."""
    rows: list[sa.Row[Any]] = []
    async with sessions.begin() as session:
        for statement in statements:
            result = await (await session.connection()).execute(sa.text(statement))
            rows = list(result.all()) if result.returns_rows else []
    return rows


def insert_rows_sql(count: int, users: int = 1) -> str:
    return ROWS.format(id="", n="", users=users, first=0, last=count - 1)


def insert_ids_sql(first: int, last: int) -> str:
    return ROWS.format(id="id, ", n="n, ", users=1, first=first, last=last)


async def blocks_agree(sessions: Sessions) -> bool:
    return await execute(sessions, DISAGREEMENTS) == []


async def read_blocks(sessions: Sessions) -> list[tuple[int, ...]]:
    return [tuple(each) for each in await execute(sessions, BLOCKS)]


async def test_a_thousand_images_fill_a_block_and_the_next_opens_another(sessions: Sessions) -> None:
    await execute(sessions, insert_rows_sql(999))
    for _ in range(3):
        await insert_image(sessions)

    assert await read_blocks(sessions) == [(1, 1, 1000), (1, 1001, 2)]
    assert await blocks_agree(sessions)


async def test_many_images_of_several_users_at_once_fill_the_blocks_of_each(sessions: Sessions) -> None:
    await execute(sessions, insert_rows_sql(500, users=3))

    await execute(sessions, insert_rows_sql(7000, users=3))

    sizes = [total for _, _, total in await read_blocks(sessions)]
    assert sizes == [1000, 1000, 501, 1000, 1000, 500, 1000, 1000, 499]
    assert await blocks_agree(sessions)


async def test_a_deleted_image_leaves_a_gap_in_its_block(sessions: Sessions) -> None:
    await execute(sessions, insert_rows_sql(1000), "DELETE FROM image WHERE id <= 400")

    await insert_image(sessions)

    assert await read_blocks(sessions) == [(1, 1, 600), (1, 1001, 1)]
    assert await blocks_agree(sessions)


async def test_ids_out_of_order_are_counted_in_their_own_block(sessions: Sessions) -> None:
    for first, last in ((5000, 5999), (8000, 8499), (100, 2600), (7000, 7000), (6000, 6001), (8500, 9100)):
        await execute(sessions, insert_ids_sql(first, last))
        assert await blocks_agree(sessions), (first, last)

    await execute(sessions, "DELETE FROM image WHERE id % 3 = 0")

    assert await blocks_agree(sessions)


async def test_truncating_images_removes_all_blocks(sessions: Sessions) -> None:
    await execute(sessions, insert_rows_sql(1500), "TRUNCATE image, image_source")

    assert await read_blocks(sessions) == []


async def test_the_migration_counts_images_that_are_older_than_the_blocks(sessions: Sessions) -> None:
    spec = importlib.util.spec_from_file_location("migration", MIGRATION)
    assert spec
    assert spec.loader
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    await execute(sessions, insert_rows_sql(4500, users=2), "DELETE FROM image WHERE id % 5 = 0")

    await execute(sessions, "DELETE FROM image_block", migration.FILL)

    assert [total for _, _, total in await read_blocks(sessions)] == [1000, 800, 1000, 800]
    assert await blocks_agree(sessions)
    await execute(sessions, insert_rows_sql(300, users=2))
    assert [total for _, _, total in await read_blocks(sessions)] == [1000, 950, 1000, 950]
    assert await blocks_agree(sessions)


async def add_images(sessions: Sessions, chance: random.Random) -> None:
    user_id = chance.choice(USERS)
    async with sessions.begin() as session:
        await library.add(
            session, user_id, [build_image(user_id) for _ in range(chance.randint(1, 20))], RULES
        )


async def add_without_lock(sessions: Sessions, chance: random.Random) -> None:
    """Add images as a replica of the previous release does: without locking the user first."""
    async with sessions.begin() as session:
        user_id = chance.choice(USERS)
        session.add_all([build_image(user_id) for _ in range(chance.randint(1, 5))])
        await session.flush()
        await jobs.lock_user(session, user_id)
        await jobs.dispatch(session, user_id, RULES)


async def finish_images(sessions: Sessions, chance: random.Random) -> None:
    for image_id, user_id in await choose_images(sessions, chance):
        async with sessions.begin() as session:
            await jobs.lock_user(session, user_id)
            image = await session.get(Image, image_id)
            if image is None or image.status not in (Status.PENDING, Status.PROCESSING):
                continue
            event = inference_pb2.Finished(image_id=image_id, fence=image.attempt)
            if chance.random() < 0.7:
                event.output.CopyFrom(inference_pb2.Output(bytes=1))
            else:
                event.failure.CopyFrom(inference_pb2.Failure(code="undecodable"))
            await jobs.finish(session, event, RULES)


async def delete_images(sessions: Sessions, chance: random.Random) -> None:
    for image_id, user_id in await choose_images(sessions, chance):
        async with sessions.begin() as session:
            with contextlib.suppress(errors.NotFound):
                await library.delete(session, user_id, image_id, RULES)


async def delete_many(sessions: Sessions, chance: random.Random) -> None:
    user_id = chance.choice(USERS)
    async with sessions.begin() as session:
        await jobs.lock_user(session, user_id)
        statement = "DELETE FROM image WHERE user_id = :user_id AND id % 17 = :rest"
        values = {"user_id": user_id, "rest": chance.randrange(17)}
        await (await session.connection()).execute(sa.text(statement), values)


async def change_many(sessions: Sessions, chance: random.Random) -> None:
    user_id, status = chance.choice(USERS), chance.choice([*Status])
    async with sessions.begin() as session:
        await jobs.lock_user(session, user_id)
        some_of_them = col(Image.id) % 7 == chance.randrange(7)
        await session.exec(
            update(Image).where(col(Image.user_id) == user_id, some_of_them).values(status=status)
        )


async def choose_images(sessions: Sessions, chance: random.Random) -> list[tuple[int, int]]:
    rows = await execute(sessions, "SELECT id, user_id FROM image ORDER BY id")
    return [(row.id, row.user_id) for row in chance.sample(rows, min(len(rows), 5))]


async def sweep(sessions: Sessions, _: random.Random) -> None:
    async with sessions.begin() as session:
        await lost_jobs.requeue_abandoned(session, replace(RULES, silent_after=timedelta(0)))
        await lost_jobs.requeue_lost(session, timedelta(0))


STEPS = (
    add_images,
    add_images,
    add_images,
    add_without_lock,
    finish_images,
    finish_images,
    delete_images,
    delete_many,
    change_many,
    sweep,
)


@pytest.mark.parametrize("seed", range(3))
async def test_the_blocks_agree_after_concurrent_changes(sessions: Sessions, seed: int) -> None:
    chance = random.Random(seed)
    await execute(sessions, insert_rows_sql(2980, users=3))

    for _ in range(8):
        await asyncio.gather(*(step(sessions, chance) for step in chance.choices(STEPS, k=10)))
        assert await blocks_agree(sessions)

    assert len(await read_blocks(sessions)) > len(USERS)
