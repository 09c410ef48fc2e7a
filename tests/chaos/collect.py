"""Collects the evidence from the stores themselves, past every proxy and service."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, LiteralString, TypeVar

import nats
import psycopg
from minio.error import MinioException
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy
from psycopg.rows import class_row
from urllib3.exceptions import HTTPError

from loupe.images.v1 import images_pb2
from loupe_local.service_names import WITH_DATABASE
from tests.chaos import evidence, pictures, process_facts
from tests.chaos.journal import Journal
from tests.chaos.world import World

IMAGES = """
    SELECT id, user_id, batch_id, original_filename, original_path, upscaled_path,
        coalesce(previews, '{}') AS previews, upscaled_width, upscaled_height, status, failure_code,
        reservation_id::text, created_at, reference, original_bytes > 0 AS has_file
    FROM image ORDER BY id
"""
UNFETCHED = "SELECT image_id FROM image_source WHERE due_at IS NOT NULL"
BATCHES = "SELECT id, status, total_images, completed_images, failed_images, created_at FROM batch"
BLOCKS = """
    SELECT user_id, sum(total)::int AS total, sum(completed)::int AS completed, sum(failed)::int AS failed
    FROM image_block GROUP BY user_id
"""
WAITING_UPLOADS = "SELECT object_key FROM direct_upload WHERE used_at IS NULL"
RESERVATIONS = "SELECT id::text, user_id, period_start, state FROM reservation"
LEDGER = "SELECT reservation_id::text, user_id, period_start, change, reason FROM ledger_entry"
QUOTAS = "SELECT user_id, period_start, used FROM quota"
Row = TypeVar("Row")
PARALLEL_READS = 4
OPERATOR = "operator"


async def collect(
    world: World, journal: Journal, known: dict[int, pictures.Reading | str]
) -> evidence.Evidence:
    """Return what the system has now. `known` holds the results that were read before, and gets new ones."""
    found = evidence.Evidence(
        journal=journal,
        wiped_at=world.wiped_at,
        images=await _rows(world, "images", evidence.ImageRow, IMAGES),
        batches=await _rows(world, "images", evidence.BatchRow, BATCHES),
        blocks=await _rows(world, "images", evidence.BlockRow, BLOCKS),
        reservations=await _rows(world, "billing", evidence.ReservationRow, RESERVATIONS),
        ledger=await _rows(world, "billing", evidence.LedgerRow, LEDGER),
        quotas=await _rows(world, "billing", evidence.QuotaRow, QUOTAS),
    )
    found.outboxes = {name: await _count_outbox(world, name) for name in WITH_DATABASE}
    found.waiting_uploads = frozenset(await _column(world, WAITING_UPLOADS))
    found.unfetched = await _column(world, UNFETCHED)
    found.objects = await asyncio.to_thread(_keys, world)
    await _read_results(world, found.images, known)
    found.results = known
    await _read_streams(world, found)
    found.after = process_facts.of(world)
    found.not_ready = [name for name in found.after if not world.supervisor.is_ready(name)]
    return found


async def _rows(world: World, database: str, kind: type[Row], query: LiteralString) -> list[Row]:
    url = world.stack.stores.postgres.admin_url(database)
    async with (
        await psycopg.AsyncConnection.connect(url) as connection,
        connection.cursor(row_factory=class_row(kind)) as cursor,
    ):
        return await (await cursor.execute(query)).fetchall()


async def _count_outbox(world: World, database: str) -> int:
    url = world.stack.stores.postgres.admin_url(database)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return len(await (await connection.execute("SELECT id FROM outbox")).fetchall())


async def _column(world: World, query: LiteralString) -> list[Any]:
    """Return the one column that a query reads from the database of images."""
    url = world.stack.stores.postgres.admin_url("images")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return [value for (value,) in await (await connection.execute(query)).fetchall()]


def _keys(world: World) -> frozenset[str]:
    store = world.stack.stores.s3
    found = store.client(OPERATOR).list_objects(store.bucket, "images/", recursive=True)
    return frozenset(one.object_name or "" for one in found if not one.is_dir)


async def _read_results(
    world: World, images: Sequence[evidence.ImageRow], known: dict[int, pictures.Reading | str]
) -> None:
    slots = asyncio.Semaphore(PARALLEL_READS)

    async def read(row: evidence.ImageRow) -> None:
        async with slots:
            known[row.id] = await asyncio.to_thread(_read_result, world, row.upscaled_path)

    missing = [
        row
        for row in images
        if row.status == "completed" and not isinstance(known.get(row.id), pictures.Reading)
    ]
    await asyncio.gather(*(read(row) for row in missing))


def _read_result(world: World, key: str) -> pictures.Reading | str:
    store = world.stack.stores.s3
    try:
        with contextlib.closing(store.client(OPERATOR).get_object(store.bucket, key)) as answer:
            return pictures.read(answer.read())
    except (MinioException, HTTPError, OSError) as error:
        return f"{type(error).__name__}: {error}"[:200]


async def _read_streams(world: World, found: evidence.Evidence) -> None:
    client = await nats.connect(world.stack.stores.nats_url(OPERATOR), connect_timeout=5)
    try:
        js, waiting = client.jetstream(), dict[str, int]()
        for stream in await js.streams_info():
            name = stream.config.name or ""
            durables = [each for each in await js.consumers_info(name) if each.config.durable_name]
            for consumer in durables:
                waiting[consumer.name] = (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
            # a message that was acknowledged while the disk was full comes back into its stream when the
            # broker starts again, but every consumer is behind it
            handled = min((each.ack_floor.stream_seq for each in durables if each.ack_floor), default=0)
            if stream.config.retention == RetentionPolicy.WORK_QUEUE and stream.state.last_seq > handled:
                waiting[name] = stream.state.messages
        found.waiting_messages = waiting
        found.dead_letters = (await js.stream_info("DEAD")).state.messages
        found.completed_events = await _completed_events(js)
    finally:
        await client.close()


async def _completed_events(js: JetStreamContext) -> Counter[int]:
    counted = Counter[int]()
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=30)
    reader = await js.pull_subscribe("images.completed", stream="IMAGES", config=config)
    with contextlib.suppress(NatsTimeout):
        while messages := await reader.fetch(500, timeout=1):
            counted.update(images_pb2.ImageEnded.FromString(each.data).image_id for each in messages)
            if not messages[-1].metadata.num_pending:
                break
    await reader.unsubscribe()
    return counted
