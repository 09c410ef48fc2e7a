"""From events to deliveries: one for each webhook that wants the event, and one for the upload's address."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outbound.domain import lanes
from outbound.domain.webhooks import Address
from outbound.tables import Lane, Webhook

EVENT = """
    event AS (
        SELECT * FROM ROWS FROM (
            jsonb_to_recordset(CAST(:events AS jsonb)) AS (
                event_id text, type text, user_id bigint, occurred_at timestamptz, image_id bigint,
                batch_id bigint, about_webhook_id bigint, url text, host text
            )
        ) WITH ORDINALITY AS sent (
            event_id, type, user_id, occurred_at, image_id, batch_id, about_webhook_id, url, host, position
        )
    )
"""
TARGET = """
    target AS (
        SELECT event.*, lane.id AS lane_id, lane.host AS lane_host, webhook.id AS webhook_id
        FROM event JOIN webhook USING (user_id) JOIN lane ON lane.webhook_id = webhook.id
        WHERE webhook.is_enabled AND (webhook.types = '{}' OR event.type = ANY(webhook.types))
    )
"""
FIND_USERS = sa.text(f"""
    WITH {EVENT}, {TARGET} SELECT user_id FROM event WHERE url IS NOT NULL UNION SELECT user_id FROM target
""")  # noqa: S608
ADD_HOST_LANES = sa.text(f"""
    WITH {EVENT} INSERT INTO lane (user_id, host)
    SELECT DISTINCT user_id, host FROM event WHERE url IS NOT NULL ORDER BY user_id, host
    ON CONFLICT (user_id, host) WHERE webhook_id IS NULL DO NOTHING
""")  # noqa: S608
COLUMNS = """
    user_id, webhook_id, lane_id, url, host, event_id, type, image_id, batch_id, about_webhook_id,
    occurred_at, status, due_at, attempts, created_at
"""
INSERT = sa.text(f"""
    WITH {EVENT}, {TARGET}, addressed AS (
        SELECT position, user_id, webhook_id, lane_id, NULL AS url, lane_host AS host, event_id, type,
            image_id, batch_id, about_webhook_id, occurred_at
        FROM target
        UNION ALL
        SELECT position, event.user_id, NULL, lane.id, event.url, event.host, event_id, type,
            image_id, batch_id, about_webhook_id, occurred_at
        FROM event JOIN lane USING (user_id, host) WHERE event.url IS NOT NULL AND lane.webhook_id IS NULL
    )
    INSERT INTO delivery ({COLUMNS})
    SELECT user_id, webhook_id, lane_id, url, host, event_id, type, image_id, batch_id, about_webhook_id,
        occurred_at, 'waiting', :now, 0, :now
    FROM addressed ORDER BY position, webhook_id
    ON CONFLICT DO NOTHING RETURNING lane_id
""")  # noqa: S608
INSERT_TEST = sa.text(f"""
    WITH {EVENT} INSERT INTO delivery ({COLUMNS})
    SELECT user_id, :webhook_id, :lane_id, NULL, :host, event_id, type, image_id, batch_id, about_webhook_id,
        occurred_at, 'waiting', :now, 0, :now
    FROM event ON CONFLICT DO NOTHING RETURNING id
""")  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, under an id that is the same however often it is heard of."""

    id: str
    type: str
    user_id: int
    occurred_at: datetime
    image_id: int | None = None
    batch_id: int | None = None
    webhook_id: int | None = None
    upload_address: Address | None = None
    """The address that the upload named, if this is its end."""


async def fan_out(session: AsyncSession, events: Sequence[Event], now: datetime) -> None:
    """Add a delivery of each event for each webhook of its user that wants it, and for its upload's address.

    Repeating it changes nothing. The number of statements does not depend on that of events.
    """
    connection, values = await session.connection(), {"events": _to_json(events)}
    user_ids = (await connection.execute(FIND_USERS, values)).scalars().all()
    if not user_ids:
        return
    await lanes.lock_all(session, user_ids)
    if any(event.upload_address for event in events):
        await connection.execute(ADD_HOST_LANES, values)
    lane_ids = (await connection.execute(INSERT, values | {"now": now})).scalars().all()
    if lane_ids:
        await lanes.update_all(session, user_ids, set(lane_ids), now)


async def add_test(session: AsyncSession, webhook: Webhook, event: Event, now: datetime) -> int:
    """Add a delivery of the event to this webhook alone, and return its id."""
    await lanes.lock(session, webhook.user_id)
    lane = (await session.exec(select(Lane).where(Lane.webhook_id == webhook.id))).one()
    values = {
        "events": _to_json([event]),
        "webhook_id": webhook.id,
        "lane_id": lane.id,
        "host": lane.host,
        "now": now,
    }
    added = (await (await session.connection()).execute(INSERT_TEST, values)).scalar_one()
    await lanes.update(session, event.user_id, lane.id or 0, now)
    return added


def _to_json(events: Sequence[Event]) -> str:
    """Return the events as the statements read them."""
    return json.dumps(
        [
            {
                "event_id": event.id,
                "type": event.type,
                "user_id": event.user_id,
                "occurred_at": event.occurred_at.isoformat(),
                "image_id": event.image_id,
                "batch_id": event.batch_id,
                "about_webhook_id": event.webhook_id,
                "url": event.upload_address.url if event.upload_address else None,
                "host": event.upload_address.host if event.upload_address else None,
            }
            for event in events
        ]
    )
