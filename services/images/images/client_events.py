"""Publishes events about images and batches for clients: to the stream CLIENT_EVENTS. Progress goes only to
gateways that listen now.

Triggers write the rows (migrations 0014 and 0016). One replica at a time sends them, and those of a user one
after the other, so that the end of a batch comes after those of its images.
"""

import asyncio
import functools
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from nats.aio.client import Client
from nats.js import JetStreamContext

from common import bus, relays, timestamps, trace
from common.db import Sessions
from loupe.contract import PASSING_EVENTS, STORED_EVENTS, WEBHOOK_DISABLED
from loupe.images.v1 import images_pb2 as pb

LARGEST_BYTES = 512 << 20
"""Limit for the stream: more than a million events. The oldest go first."""
DAYS = 7
STREAM = bus.stream(
    "CLIENT_EVENTS", *(f"events.*.{each}" for each in (*STORED_EVENTS, WEBHOOK_DISABLED)), days=DAYS
).evolve(max_bytes=LARGEST_BYTES)
TABLE = "client_event"
ROWS_PER_BATCH = 256
LOCK = sa.text("SELECT pg_try_advisory_xact_lock(:space, :lock)").bindparams(space=0x6576656E, lock=0)
"""Two numbers cannot be mistaken for a user's lock, which is one."""
NEXT = sa.text("""
    SELECT id, user_id, type, image_id, batch_id, message_id, occurred_at, webhook_url FROM client_event
    ORDER BY id LIMIT :batch
""").bindparams(batch=ROWS_PER_BATCH)
DELETE_SENT = sa.text("DELETE FROM client_event WHERE id = ANY(:ids)")
DELETE_OLD = sa.text("DELETE FROM client_event WHERE occurred_at < now() - make_interval(days => :days)")


async def relay(sessions: Sessions, nc: Client, url: str) -> None:
    """Send events until cancelled. They wait while the broker or the database is unavailable."""
    await relays.keep_empty(TABLE, url, functools.partial(_send_batch, sessions, nc, nc.jetstream()))


async def delete_old(sessions: Sessions) -> None:
    """Delete events that would be too old for the stream, such as those that only the last release wrote."""
    async with sessions.begin() as session:
        await (await session.connection()).execute(DELETE_OLD, {"days": DAYS})


async def _send_batch(sessions: Sessions, nc: Client, js: JetStreamContext) -> bool:
    """Send some events, and return whether there may be more. Leave them to the replica that sends now."""
    async with sessions.begin() as session:
        connection = await session.connection()
        if not (await connection.execute(LOCK)).scalar_one():
            return False
        rows = (await connection.execute(NEXT)).all()
        by_user = groupby(sorted(rows, key=attrgetter("user_id", "id")), key=attrgetter("user_id"))
        sent: list[int] = []
        results = await asyncio.gather(
            *(_send_in_order(nc, js, list(own), sent) for _, own in by_user), return_exceptions=True
        )
        if sent:
            await connection.execute(DELETE_SENT, {"ids": sent})
    if failures := [result for result in results if result is not None]:
        raise failures[0]
    return len(rows) == ROWS_PER_BATCH


async def _send_in_order(nc: Client, js: JetStreamContext, rows: list[sa.Row[Any]], sent: list[int]) -> None:
    """Send these rows, and add the id of each to `sent`. The first failure leaves the rest unsent."""
    for row in rows:
        await _send(nc, js, row)
        sent.append(row.id)


async def _send(nc: Client, js: JetStreamContext, row: sa.Row[Any]) -> None:
    subject = f"events.{row.user_id}.{row.type}"
    event = pb.ClientEvent(
        id=row.message_id,
        type=row.type,
        user_id=row.user_id,
        image_id=row.image_id or 0,
        batch_id=row.batch_id or 0,
        occurred_at=timestamps.to_proto(row.occurred_at),
        webhook_url=row.webhook_url or "",
    ).SerializeToString()
    if row.type in PASSING_EVENTS:
        await nc.publish(subject, event)
    else:
        await bus.publish(js, subject, event, message_id=row.message_id, origin=trace.Origin())
