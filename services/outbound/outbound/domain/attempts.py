"""One attempt to make a delivery: it is claimed, and its end is recorded.

A claim is a lease. If the process dies, the delivery is due again when the lease ends. A claimed delivery is
never in the way of others, because its `due_at` is the end of its lease.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common import outbox
from loupe.contract import WEBHOOK_DISABLED
from loupe.images.v1 import images_pb2
from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.domain import lanes, signing_secrets, webhooks
from outbound.domain.schedule import FAILING_FOR, pause_after
from outbound.signing import Cipher
from outbound.tables import Delivery, DisabledReason, Status, Webhook

GONE = 410
HOST_IS_BUSY_FOR = timedelta(seconds=1)
"""A lane whose host has no room is looked at again after this time."""
LONGEST_ANSWER = 2048
"""Characters of an answer that the log keeps, at most as many as its bytes."""

NEXT_TURN = sa.text("""
    SELECT user_id FROM turn WHERE next_at <= :now ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
""")
NEXT_LANE = sa.text("""
    SELECT id, host FROM lane WHERE user_id = :user_id AND next_at <= :now ORDER BY next_at LIMIT 1
""")
LOCK_HOST = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:host, 0))")
UNDER_WAY = sa.text("""
    SELECT count(*) AS of_host,
        count(*) FILTER (WHERE user_id = :user_id) AS of_user,
        min(lease_until) FILTER (WHERE lane_id = :lane_id) AS first_end,
        count(*) FILTER (WHERE lane_id = :lane_id) AS of_lane
    FROM delivery WHERE host = :host AND lease_until > :now
""")
CLAIM = sa.text("""
    UPDATE delivery SET lease_until = :lease_until, due_at = :lease_until
    WHERE id = (
        SELECT id FROM delivery WHERE lane_id = :lane_id AND status = 'waiting' AND due_at <= :now
        ORDER BY due_at LIMIT 1
    ) RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process makes now, with everything that it needs."""

    delivery: Delivery
    url: str
    secrets: Sequence[str]
    about_webhook: Webhook | None
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of an attempt. `error` is set if there was no answer."""

    status_code: int | None = None
    milliseconds: int = 0
    answer: str = ""
    error: str = ""
    retry_after: timedelta = timedelta()

    @property
    def is_success(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def outcome(self) -> str:
        """The name for logs: the status, or what went wrong."""
        return str(self.status_code) if self.status_code else self.error


async def claim_next(
    session: AsyncSession, cipher: Cipher, now: datetime, *, lease: timedelta, most_per_host: int
) -> tuple[bool, Claim | None]:
    """Return whether a user was next, and the delivery that is claimed now. None if the lane that was next
    has no room at the moment.
    """
    connection = await session.connection()
    user_id = (await connection.execute(NEXT_TURN, {"now": now})).scalar_one_or_none()
    if user_id is None:
        return False, None
    lane = (await connection.execute(NEXT_LANE, {"user_id": user_id, "now": now})).one_or_none()
    if lane is None:
        return True, None
    await connection.execute(LOCK_HOST, {"host": lane.host})
    under_way = {"user_id": user_id, "lane_id": lane.id, "host": lane.host, "now": now}
    busy = (await connection.execute(UNDER_WAY, under_way)).one()
    if (wait_until := _no_room_until(busy, most_per_host, now)) is not None:
        await lanes.update(session, user_id, lane.id, now, not_before=wait_until)
        return True, None
    claimed = {"lane_id": lane.id, "now": now, "lease_until": now + lease}
    delivery_id = (await connection.execute(CLAIM, claimed)).scalar_one_or_none()
    await lanes.update(session, user_id, lane.id, now)
    return True, None if delivery_id is None else await _to_claim(session, cipher, delivery_id, now)


def _no_room_until(busy: sa.Row[Any], most_per_host: int, now: datetime) -> datetime | None:
    """Return when a lane should be looked at again. None if it has room now."""
    if busy.of_lane >= lanes.MOST_AT_A_TIME:
        return busy.first_end  # an end of one of them comes before that, unless its process has died
    if busy.of_user >= lanes.MOST_AT_A_TIME or busy.of_host >= most_per_host:
        return now + HOST_IS_BUSY_FOR * random.uniform(1, 2)  # noqa: S311  not for secrets
    return None


async def _to_claim(session: AsyncSession, cipher: Cipher, delivery_id: int, now: datetime) -> Claim:
    delivery = (await session.exec(select(Delivery).where(Delivery.id == delivery_id))).one()
    if delivery.webhook_id:
        owner = (await session.exec(select(Webhook).where(Webhook.id == delivery.webhook_id))).one()
        url = owner.url
    else:
        owner = await signing_secrets.of_account(session, delivery.user_id, cipher, now)
        url = delivery.url or ""
    about = await session.get(Webhook, delivery.about_webhook_id) if delivery.about_webhook_id else None
    secrets = signing_secrets.signing(owner, cipher, now)
    return Claim(delivery, url, secrets, about, delivery.lease_until or now)


async def give_back(session: AsyncSession, claim: Claim, now: datetime, *, after: timedelta) -> None:
    """End a claim without an attempt, because something of ours is unavailable."""
    await _finish(session, claim, now, due_at=now + after)


async def record(session: AsyncSession, claim: Claim, result: Result, now: datetime) -> Status | None:
    """Record the end of an attempt, and return the state of the delivery. None if the lease was lost."""
    await lanes.lock_existing(session, claim.delivery.user_id)
    attempts = claim.delivery.attempts + 1
    pause = None if result.status_code == GONE else pause_after(attempts, result.retry_after)
    status = Status.DELIVERED if result.is_success else Status.WAITING if pause else Status.FAILED
    webhook = await _lock_webhook(session, claim)
    if webhook:
        await _judge(session, webhook, result, now)
    is_ours = await _finish(
        session,
        claim,
        now,
        due_at=now + pause if pause else now,
        status=status,
        attempts=attempts,
        last_attempt_at=now,
        status_code=result.status_code,
        milliseconds=result.milliseconds,
        answer=result.answer[:LONGEST_ANSWER],
        error=result.error,
    )
    return status if is_ours else None


async def _finish(
    session: AsyncSession, claim: Claim, now: datetime, *, due_at: datetime, **values: object
) -> bool:
    """End the lease, and return whether it was still ours."""
    delivery = claim.delivery
    await lanes.lock_existing(session, delivery.user_id)
    ended = (
        update(Delivery)
        .where(col(Delivery.id) == delivery.id, col(Delivery.lease_until) == claim.lease_until)
        .values(lease_until=None, due_at=due_at, **values)
    )
    is_ours = (await session.exec(ended)).rowcount > 0
    await lanes.update(session, delivery.user_id, delivery.lane_id, now)
    return is_ours


async def _lock_webhook(session: AsyncSession, claim: Claim) -> Webhook | None:
    """Return the webhook as it is now. None if it was deleted, or if an upload named the address."""
    own = select(Webhook).where(Webhook.id == claim.delivery.webhook_id).with_for_update()
    return (await session.exec(own)).one_or_none() if claim.delivery.webhook_id else None


async def _judge(session: AsyncSession, webhook: Webhook, result: Result, now: datetime) -> None:
    """Note a success or a failure of the webhook. Disable it if it is gone, or has failed for days."""
    if result.is_success:
        webhook.failing_since = None
        return
    webhook.failing_since = webhook.failing_since or now
    is_gone, is_dead = result.status_code == GONE, now - webhook.failing_since >= FAILING_FOR
    if not webhook.is_enabled or not (is_gone or is_dead):
        return
    await webhooks.disable(session, webhook, DisabledReason.GONE if is_gone else DisabledReason.FAILING, now)
    await _tell(session, webhook, now)


async def _tell(session: AsyncSession, webhook: Webhook, now: datetime) -> None:
    """Publish that a webhook was disabled: to its owner's other webhooks, and to auth for a mail."""
    event = images_pb2.ClientEvent(
        id=f"webhook-{webhook.id}-disabled-{int(now.timestamp())}",
        type=WEBHOOK_DISABLED,
        user_id=webhook.user_id,
        webhook_id=webhook.id or 0,
    )
    event.occurred_at.FromDatetime(now)
    await outbox.publish(session, f"events.{webhook.user_id}.{WEBHOOK_DISABLED}", event, message_id=event.id)
    notice = pb.WebhookDisabled(
        user_id=webhook.user_id,
        webhook_id=webhook.id or 0,
        url=webhook.url,
        reason=webhook.disabled_reason or "",
    )
    await outbox.publish(session, "outbound.webhook_disabled", notice)
