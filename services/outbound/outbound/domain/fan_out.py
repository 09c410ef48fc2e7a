"""From an event to its deliveries: one for each webhook that wants it, and one for the upload's address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outbound.domain import lanes
from outbound.domain.webhooks import Address
from outbound.tables import Lane, Webhook

INSERT = sa.text("""
    INSERT INTO delivery (
        user_id, webhook_id, lane_id, url, host, event_id, type, image_id, batch_id, about_webhook_id,
        occurred_at, status, due_at, attempts, created_at
    ) VALUES (
        :user_id, :webhook_id, :lane_id, :url, :host, :event_id, :type, :image_id, :batch_id,
        :about_webhook_id, :occurred_at, 'waiting', :now, 0, :now
    ) ON CONFLICT DO NOTHING RETURNING id
""")


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


async def fan_out(
    session: AsyncSession, event: Event, now: datetime, *, upload_address: Address | None = None
) -> None:
    """Add a delivery for each webhook of the user that wants the event. Repeating it changes nothing.

    `upload_address` is the address that the upload named for its end.
    """
    targets = await _targets(session, event)
    if not targets and not upload_address:
        return
    await lanes.lock(session, event.user_id)
    for webhook_id, lane_id, host in targets:
        await add(session, event, now, lane_id=lane_id, host=host, webhook_id=webhook_id)
    if upload_address:
        lane_id = await lanes.of_host(session, event.user_id, upload_address.host)
        await add(session, event, now, lane_id=lane_id, host=upload_address.host, url=upload_address.url)


async def add_test(session: AsyncSession, webhook: Webhook, event: Event, now: datetime) -> int:
    """Add a delivery of the event to this webhook alone, and return its id."""
    await lanes.lock(session, webhook.user_id)
    lane = (await session.exec(select(Lane).where(Lane.webhook_id == webhook.id))).one()
    added = await add(session, event, now, lane_id=lane.id or 0, host=lane.host, webhook_id=webhook.id)
    return added or 0


async def add(
    session: AsyncSession,
    event: Event,
    now: datetime,
    *,
    lane_id: int,
    host: str,
    webhook_id: int | None = None,
    url: str | None = None,
) -> int | None:
    """Add a delivery, and return its id. None if the event has one for this address already."""
    values = {
        "user_id": event.user_id,
        "webhook_id": webhook_id,
        "lane_id": lane_id,
        "url": url,
        "host": host,
        "event_id": event.id,
        "type": event.type,
        "image_id": event.image_id,
        "batch_id": event.batch_id,
        "about_webhook_id": event.webhook_id,
        "occurred_at": event.occurred_at,
        "now": now,
    }
    added = (await (await session.connection()).execute(INSERT, values)).scalar_one_or_none()
    if added is not None:
        await lanes.update(session, event.user_id, lane_id, now)
    return added


async def _targets(session: AsyncSession, event: Event) -> Sequence[tuple[int, int, str]]:
    """Return webhook, lane and host of each webhook that wants the event."""
    wants = or_(col(Webhook.types) == [], sa.literal(event.type) == sa.any_(col(Webhook.types)))
    found = (
        select(Webhook.id, Lane.id, Lane.host)
        .join(Lane, col(Lane.webhook_id) == Webhook.id)
        .where(Webhook.user_id == event.user_id, col(Webhook.is_enabled), wants)
        .order_by(col(Webhook.id))
    )
    return [(webhook or 0, lane or 0, host) for webhook, lane, host in (await session.exec(found)).all()]
