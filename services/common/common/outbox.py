"""Events that commit together with the change that caused them, and the relay that sends them to JetStream.

`publish` adds a row in the caller's transaction. The relay is woken by NOTIFY, sends rows under a row lock,
and deletes them when the stream has acknowledged them. Delivery is at least once and unordered. A row stores
the request that caused the event, so that consumers run in the trace of that request.
"""

import asyncio
import functools
from datetime import datetime
from typing import Any

import nats.errors
import sqlalchemy as sa
from google.protobuf.message import Message
from nats.js import JetStreamContext
from prometheus_client import Counter, Gauge
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from common import bus, log, metrics, relays, trace
from common.db import Sessions
from common.repeated import Repeated

REPEATED = Repeated(log.get(__name__))
ROWS_PER_BATCH = 64

INSERT = sa.text("""
    INSERT INTO outbox (subject, payload, message_id, request_id, trace_parent)
    VALUES (:subject, :payload, coalesce(:message_id, gen_random_uuid()::text), :request_id, :trace_parent)
""")
NOTIFY = sa.text("SELECT pg_notify('outbox', '')")
CLAIM = sa.text("""
    SELECT id, subject, payload, message_id, request_id, trace_parent FROM outbox
    ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED
""")
DELETE_SENT = sa.text("DELETE FROM outbox WHERE id = ANY(:ids)")
LAG = sa.text("""
    SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)
    FROM (SELECT created_at FROM outbox ORDER BY id LIMIT 10000) AS oldest
""")

rows_waiting = Gauge("loupe_outbox_rows", "Events that have not been sent, counted up to 10,000")
oldest_seconds = Gauge("loupe_outbox_oldest_seconds", "Age of the oldest event that has not been sent")
sends = Counter("loupe_outbox_sends_total", "Attempts to send events", ["outcome"])


class OutboxColumns(SQLModel):
    """Columns of the `Outbox` table that each service has."""

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    subject: str = Field(sa_type=sa.String)
    payload: bytes
    message_id: str = Field(sa_type=sa.String)
    request_id: str | None = Field(default=None, sa_type=sa.String)
    trace_parent: str | None = Field(default=None, sa_type=sa.String)
    created_at: datetime = Field(
        sa_type=sa.DateTime(timezone=True),  # pyright: ignore[reportArgumentType]  sqlmodel wants a class
        sa_column_kwargs={"server_default": sa.func.now()},
    )


async def publish(
    session: AsyncSession,
    subject: str,
    event: Message,
    *,
    message_id: str | None = None,
    origin: trace.Origin | None = None,
) -> None:
    """Add an event to the outbox, in the caller's transaction.

    The stream drops a second event with the same `message_id` within two minutes. `origin` is the request
    that caused the event, by default the current one.
    """
    origin = origin or trace.current_origin()
    connection = await session.connection()
    await connection.execute(
        INSERT,
        {
            "subject": subject,
            "payload": event.SerializeToString(),
            "message_id": message_id,
            "request_id": origin.request_id,
            "trace_parent": origin.trace_parent,
        },
    )
    await connection.execute(NOTIFY)


async def relay(sessions: Sessions, stream: JetStreamContext, url: str) -> None:
    """Send events until cancelled. Events wait while the broker or the database is unavailable."""
    async with asyncio.TaskGroup() as group:
        group.create_task(metrics.keep_updated("outbox", functools.partial(_measure, sessions)))
        group.create_task(relays.keep_empty("outbox", url, functools.partial(_send_batch, sessions, stream)))


async def _send_batch(sessions: Sessions, stream: JetStreamContext) -> bool:
    """Send one batch, and return whether there may be more rows.

    A row that cannot be sent stays. It does not hold up the other rows of its batch.
    """
    async with sessions.begin() as session:
        connection = await session.connection()
        rows = (await connection.execute(CLAIM, {"batch": ROWS_PER_BATCH})).all()
        results = await asyncio.gather(*(_send(stream, row) for row in rows), return_exceptions=True)
        sent = [row.id for row, result in zip(rows, results, strict=True) if result is None]
        if sent:
            await connection.execute(DELETE_SENT, {"ids": sent})
    failures = [result for result in results if result is not None]
    if failures:
        raise failures[0]
    return len(rows) == ROWS_PER_BATCH


async def _send(stream: JetStreamContext, row: sa.Row[Any]) -> None:
    origin = trace.Origin(row.request_id, row.trace_parent)
    try:
        await bus.publish(stream, row.subject, row.payload, message_id=row.message_id, origin=origin)
    except nats.errors.Error as error:
        sends.labels("failed").inc()
        REPEATED.warning(
            "event not sent",
            cause=type(error),
            subject=row.subject,
            error=log.error_text(error),
            action="event stays in the outbox",
        )
        raise
    sends.labels("sent").inc()


async def _measure(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        rows, seconds = (await (await session.connection()).execute(LAG)).one()
    rows_waiting.set(rows)
    oldest_seconds.set(max(0.0, float(seconds)))
