"""Metrics of outbox, consumers, database and object store, and the request id of events."""

import asyncio
import contextlib

import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from minio.error import S3Error
from nats.js import JetStreamContext
from prometheus_client import REGISTRY
from pydantic import SecretStr
from structlog.contextvars import get_contextvars

from common import bus, db, lag, messages, metrics, outbox, trace
from common.blobs import Blobs, Store
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from loupe_local.stores import Stores
from tests.polling import until


def read_metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def stop_once_measured(watching: "asyncio.Task[None]", name: str, **labels: str) -> None:
    """Wait until the metric exists, and cancel the task."""
    await until(lambda: REGISTRY.get_sample_value(name, labels) is not None)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def test_the_outbox_reports_its_rows_and_the_age_of_the_oldest(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        connection = await session.connection()
        await connection.execute(sa.text("TRUNCATE outbox"))
        for number in range(3):
            await outbox.publish(session, "no.consumer", pb.UserChanged(user_id=number))
        await connection.execute(
            sa.text("UPDATE outbox SET created_at = now() - interval '1 hour' WHERE id % 2 = 0")
        )

    await outbox._measure(sessions)

    assert read_metric("loupe_outbox_rows") == 3
    assert read_metric("loupe_outbox_oldest_seconds") >= 3600
    async with sessions.begin() as session:
        await (await session.connection()).execute(sa.text("TRUNCATE outbox"))
    await outbox._measure(sessions)
    assert read_metric("loupe_outbox_rows") == read_metric("loupe_outbox_oldest_seconds") == 0


async def test_an_event_is_handled_with_the_request_id_of_its_cause(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    request_ids: list[tuple[str, str | None]] = []

    async def handle(_: bytes) -> None:
        request_ids.append((trace.request_id.get(), get_contextvars().get("request_id")))

    async def publish(request_id: str, origin: trace.Origin | None = None) -> None:
        trace.request_id.set(request_id)
        async with sessions.begin() as session:
            await outbox.publish(session, f"{stream}.changed", pb.UserChanged(user_id=1), origin=origin)

    consumer = messages.Consumer(stream=stream, durable="tests", subjects=(f"{stream}.>",))
    running = asyncio.gather(
        outbox.relay(sessions, js, stores.database_url("auth")), bus.consume(js, consumer, handle)
    )
    await asyncio.create_task(publish("the-first"))
    await asyncio.create_task(publish("the-second", trace.Origin("its-upload")))
    await asyncio.create_task(publish(""))
    await until(lambda: len(request_ids) == 3)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    assert sorted(request_ids, key=str) == [
        ("", None),
        ("its-upload", "its-upload"),
        ("the-first", "the-first"),
    ]


async def test_the_lag_of_a_consumer_is_reported(js: JetStreamContext, stream: str) -> None:
    consumer = messages.Consumer(stream=stream, durable=f"behind-{stream}", subjects=(f"{stream}.>",))
    config = bus.api.ConsumerConfig(durable_name=consumer.durable, ack_policy=bus.api.AckPolicy.EXPLICIT)
    await js.add_consumer(stream, config)
    subscription = await js.pull_subscribe_bind(consumer.durable, stream)
    for _ in range(5):
        await js.publish(f"{stream}.a", b"1")
    await subscription.fetch(2)

    watching = asyncio.create_task(lag.watch(js, consumer))
    await stop_once_measured(watching, "loupe_consumer_redelivered_messages", durable=consumer.durable)

    assert read_metric("loupe_consumer_pending_messages", durable=consumer.durable) == 3
    assert read_metric("loupe_consumer_unsettled_messages", durable=consumer.durable) == 2


async def test_gauges_are_updated_after_failed_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MEASURE_SECONDS", 0.01)
    attempts: list[int] = []

    async def measure() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("away")

    watching = asyncio.create_task(metrics.keep_updated("a test", measure))
    await stop_once_measured(watching, "loupe_measured_timestamp_seconds", what="a test")

    assert len(attempts) >= 3


async def test_a_pool_reports_its_connections_and_timeouts(stores: Stores) -> None:
    engine = db.engine(stores.database_url("auth"), pool_size=1)
    engine.sync_engine.pool._timeout = 0.05  # pyright: ignore[reportAttributeAccessIssue]  shorter than the usual 5 s
    before = read_metric("loupe_database_wait_seconds_count", outcome="timeout")
    committed = read_metric("loupe_database_transaction_seconds_count", outcome="committed")
    rolled_back = read_metric("loupe_database_transaction_seconds_count", outcome="rolled back")

    async with db.sessions(engine).begin() as session:
        await session.connection()
        in_use = read_metric("loupe_database_connections", state="in use")
        with pytest.raises(sqlalchemy.exc.TimeoutError):
            async with engine.connect():
                pass
    with contextlib.suppress(ZeroDivisionError):
        async with db.sessions(engine).begin() as session:
            await session.connection()
            raise ZeroDivisionError
    idle = read_metric("loupe_database_connections", state="idle")
    await engine.dispose()

    assert (in_use, idle, read_metric("loupe_database_connections_limit")) == (1, 1, 1)
    assert read_metric("loupe_database_wait_seconds_count", outcome="timeout") == before + 1
    assert read_metric("loupe_database_transaction_seconds_count", outcome="committed") == committed + 1
    assert read_metric("loupe_database_transaction_seconds_count", outcome="rolled back") == rolled_back + 1


async def test_a_transaction_with_a_lost_connection_counts_as_rolled_back(stores: Stores) -> None:
    engine = db.engine(stores.database_url("auth"), pool_size=1)
    rolled_back = read_metric("loupe_database_transaction_seconds_count", outcome="rolled back")

    with pytest.raises(sqlalchemy.exc.OperationalError, match="terminating connection"):
        async with db.sessions(engine).begin() as session:
            await (await session.connection()).execute(
                sa.text("SELECT pg_terminate_backend(pg_backend_pid())")
            )
    async with db.sessions(engine).begin() as session:
        answer = (await (await session.connection()).execute(sa.text("SELECT 1"))).scalar_one()
    await engine.dispose()

    assert answer == 1
    assert read_metric("loupe_database_transaction_seconds_count", outcome="rolled back") == rolled_back + 1


async def test_a_connection_that_died_while_idle_is_replaced(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "PING_AFTER_SECONDS", 0.0)
    engine, other = (db.engine(stores.database_url("auth"), pool_size=1) for _ in range(2))
    pid = sa.text("SELECT pg_backend_pid()")
    async with engine.connect() as connection:
        first = (await connection.execute(pid)).scalar_one()
    async with other.begin() as connection:
        await connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first})

    async with engine.connect() as connection:
        second = (await connection.execute(pid)).scalar_one()
    await engine.dispose()
    await other.dispose()

    assert second != first


async def test_an_unreachable_database_counts_as_a_failed_connection() -> None:
    engine = db.engine("postgresql+psycopg://nobody:x@127.0.0.1:1/none")
    before = read_metric("loupe_database_wait_seconds_count", outcome="failed")

    with pytest.raises(sqlalchemy.exc.OperationalError):
        async with engine.connect():
            pass
    await engine.dispose()

    assert read_metric("loupe_database_wait_seconds_count", outcome="failed") == before + 1


async def test_requests_to_the_object_store_are_counted_by_outcome(blobs: Blobs, stores: Stores) -> None:
    def count(operation: str, outcome: str) -> float:
        return read_metric("loupe_object_store_seconds_count", operation=operation, outcome=outcome)

    stranger = Blobs(
        Store(
            endpoint=f"http://{stores.s3.endpoint}",
            public_endpoint=f"http://{stores.s3.endpoint}",
            region=stores.s3.region,
            bucket=stores.s3.bucket,
            access_key="stranger",
            secret_key=SecretStr("nothing"),
        )
    )
    before = [count("put", "done"), count("get", "absent"), count("get", "refused")]

    await blobs.put("images/originals/measured.png", b"1", "image/png")
    with pytest.raises(S3Error):
        await blobs.get("images/originals/there-is-none.png")
    with pytest.raises(S3Error):
        await stranger.get("images/originals/measured.png")

    after = [count("put", "done"), count("get", "absent"), count("get", "refused")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]
