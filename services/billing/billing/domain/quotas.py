"""The monthly quota.

A place is reserved when an image is accepted. It is captured when the image completes, else released.
Reservations, ledger and the month's counter change in one transaction, so they always agree. Locks are taken
on reservations first, then on counters.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.domain import ledger, quota_metrics, subscriptions
from billing.plans import Plan, Plans
from billing.tables import Quota, Reason, Reservation, State
from common import outbox, timestamps
from common.db import now
from loupe import refusals
from loupe.billing.v1 import billing_pb2 as pb

EXPIRE_BATCH = 200
LOCK_ORDER = (col(Reservation.user_id), col(Reservation.period_start), col(Reservation.id))
"""Counters are always changed in this order, so that two transactions never wait for each other."""

NEW_RESERVATIONS = sa.text("""
    INSERT INTO reservation (id, user_id, period_start, state, expires_at, created_at)
    SELECT id, :user_id, :period_start, 'reserved', :expires_at, now()
    FROM unnest(CAST(:ids AS uuid[])) AS id ORDER BY id
    ON CONFLICT (id) DO NOTHING RETURNING id
""")
ADD_TO_COUNT = sa.text("""
    INSERT INTO quota (user_id, period_start, used, version) VALUES (:user_id, :period_start, :change, 1)
    ON CONFLICT (user_id, period_start)
    DO UPDATE SET used = quota.used + excluded.used, version = quota.version + 1
    WHERE CAST(:limit AS bigint) IS NULL OR quota.used + excluded.used <= CAST(:limit AS bigint)
    RETURNING used, version
""")
LOCK_COUNT = sa.text("""
    INSERT INTO quota (user_id, period_start, used, version) VALUES (:user_id, :period_start, 0, 0)
    ON CONFLICT (user_id, period_start) DO UPDATE SET used = quota.used RETURNING used
""")
"""Returns the count, and makes other transactions that would change it wait."""
SUBTRACT_FROM_COUNT = sa.text("""
    UPDATE quota SET used = used + :change, version = version + 1
    WHERE user_id = :user_id AND period_start = :period_start RETURNING used, version
""")


@dataclass(frozen=True, slots=True)
class Usage:
    """The images that a user has used in a month. A `limit` of None means unlimited."""

    used: int
    limit: int | None
    period_start: date
    version: int

    def to_proto(self) -> pb.Usage:
        return pb.Usage(
            used=self.used,
            limit=self.limit,
            period_start=timestamps.to_proto(_midnight(self.period_start)),
            resets_at=timestamps.to_proto(_midnight(next_period(self.period_start))),
            version=self.version,
        )


def period_of(instant: datetime) -> date:
    """Return the first day of the calendar month in UTC, which is the period of a quota."""
    return instant.astimezone(UTC).date().replace(day=1)


def next_period(period_start: date) -> date:
    return (period_start + timedelta(days=31)).replace(day=1)


async def usage(session: AsyncSession, user_id: int, plan: Plan, period_start: date | None = None) -> Usage:
    """Return the user's count of a month, by default of this month."""
    period_start = period_start or period_of(now())
    used, version = (await counters(session, [user_id], period_start)).get(user_id, (0, 0))
    return Usage(used, plan.images_per_month, period_start, version)


async def counters(
    session: AsyncSession, user_ids: Collection[int], period_start: date
) -> dict[int, tuple[int, int]]:
    """Return the count of a month and its version by user id. Users who have used nothing are missing."""
    found = await session.exec(
        select(Quota.user_id, Quota.used, Quota.version).where(
            col(Quota.user_id).in_(user_ids), Quota.period_start == period_start
        )
    )
    return {user_id: (used, version) for user_id, used, version in found}


async def count_reserved(
    session: AsyncSession, user_ids: Collection[int], period_start: date
) -> dict[int, int]:
    """Return how many places of a month are reserved for unfinished images, by user id."""
    found = await session.exec(
        select(Reservation.user_id, sa.func.count())
        .where(
            Reservation.state == State.RESERVED,
            col(Reservation.user_id).in_(user_ids),
            Reservation.period_start == period_start,
        )
        .group_by(col(Reservation.user_id))
    )
    return dict(found.all())


async def reserve(
    session: AsyncSession,
    plans: Plans,
    *,
    reservation_ids: Sequence[uuid.UUID],
    user_id: int,
    api_request: bool,
    feature: str = "",
    expires_at: datetime,
    as_many_as_fit: bool = False,
) -> tuple[Usage, Plan, int]:
    """Reserve one place for each id, all or none. Ids that are already reserved change nothing.

    With `as_many_as_fit`, reserve the first ones that the quota has room for, at least one. Return the count
    of the month, the plan, and how many of the ids are reserved.

    Raise `PermissionDenied` if the plan does not allow the request or the quota would be exceeded.
    """
    subscription = await subscriptions.find(session, user_id)
    plan = subscriptions.plan_of(plans, subscription)
    connection = await session.connection()
    if as_many_as_fit:
        reservation_ids = await _that_fit(session, user_id, reservation_ids, plan.images_per_month)
    rows = {
        "ids": list(reservation_ids),
        "user_id": user_id,
        "period_start": period_of(now()),
        "expires_at": expires_at,
    }
    new = (await connection.execute(NEW_RESERVATIONS, rows)).scalars().all()
    if not new:
        return await usage(session, user_id, plan), plan, len(reservation_ids)
    features = [name for name in ("api_access" if api_request else "", feature) if name]
    _require_entitled(plan, is_active=subscriptions.is_active(subscription), features=features)
    counts = await _record(session, Reason.RESERVED, new, plan.images_per_month)
    if not counts:
        raise quota_metrics.count_refusal(refusals.QUOTA_EXCEEDED)
    return counts[0], plan, len(reservation_ids)


async def capture(session: AsyncSession, reservation_ids: Collection[uuid.UUID]) -> None:
    """Make the places of completed images permanent. A reservation that has expired counts again."""
    found = await _lock(session, reservation_ids, State.RESERVED, State.EXPIRED)
    await _retake_expired(session, found)
    for reservation in found:
        reservation.state = State.CAPTURED
    await ledger.record(session, Reason.CAPTURED, [reservation.id for reservation in found])


async def release(session: AsyncSession, reservation_ids: Collection[uuid.UUID]) -> None:
    """Give the places back, each once. Captured places stay used."""
    found = await _lock(session, reservation_ids, State.RESERVED)
    for reservation in found:
        reservation.state = State.RELEASED
    await _record(session, Reason.RELEASED, [reservation.id for reservation in found])


async def renew(session: AsyncSession, reservation_ids: Collection[uuid.UUID], expires_at: datetime) -> None:
    """Extend reservations of images that are not finished. One that has expired counts again."""
    found = await _lock(session, reservation_ids, State.RESERVED, State.EXPIRED)
    await _retake_expired(session, found)
    for reservation in found:
        reservation.state, reservation.expires_at = State.RESERVED, expires_at


async def expire(session: AsyncSession) -> int:
    """Expire overdue reservations, a batch at a time. Return how many there were."""
    overdue = await session.exec(
        select(Reservation)
        .where(Reservation.state == State.RESERVED, Reservation.expires_at < now())
        .order_by(*LOCK_ORDER)
        .limit(EXPIRE_BATCH)
        .with_for_update(skip_locked=True)
    )
    found = overdue.all()
    for reservation in found:
        reservation.state = State.EXPIRED
    await _record(session, Reason.EXPIRED, [reservation.id for reservation in found])
    return len(found)


async def _that_fit(
    session: AsyncSession, user_id: int, reservation_ids: Sequence[uuid.UUID], limit: int | None
) -> Sequence[uuid.UUID]:
    """Return the first of these ids that the month has room for, at least one, with those that have a place.

    Until the end of the transaction nobody else changes the count.
    """
    if limit is None:
        return reservation_ids
    month = {"user_id": user_id, "period_start": period_of(now())}
    connection = await session.connection()
    used = (await connection.execute(LOCK_COUNT, month)).scalar_one()
    known = await session.exec(
        select(sa.func.count()).select_from(Reservation).where(col(Reservation.id).in_(reservation_ids))
    )
    return reservation_ids[: max(1, known.one() + max(0, limit - used))]


def _require_entitled(plan: Plan, *, is_active: bool, features: Collection[str]) -> None:
    if not is_active:
        raise quota_metrics.count_refusal(refusals.SUBSCRIPTION_EXPIRED)
    for feature in features:
        if feature not in plan.features:
            if feature == "api_access":
                raise quota_metrics.count_refusal(refusals.NO_API_ACCESS)
            raise quota_metrics.count_refusal(
                refusals.PLAN_FEATURE_MISSING, feature=feature.replace("_", " ")
            )


async def _lock(
    session: AsyncSession, reservation_ids: Collection[uuid.UUID], *states: State
) -> Sequence[Reservation]:
    """Lock and return the reservations that are in one of the states."""
    found = await session.exec(
        select(Reservation)
        .where(col(Reservation.id).in_(reservation_ids), col(Reservation.state).in_(states))
        .order_by(*LOCK_ORDER)
        .with_for_update()
    )
    return found.all()


async def _retake_expired(session: AsyncSession, reservations: Sequence[Reservation]) -> None:
    """Count expired reservations again, whatever the limit, because their images had been accepted."""
    expired = [item.id for item in reservations if item.state == State.EXPIRED]
    await _record(session, Reason.RETAKEN, expired)


async def _record(
    session: AsyncSession, reason: Reason, reservation_ids: Sequence[uuid.UUID], limit: int | None = None
) -> list[Usage]:
    """Record the reservations in the ledger and change each month's counter by the same amount.

    Return the new counts. A month that would exceed the limit is missing in the result. The caller must then
    raise, so that nothing is committed.
    """
    months = await ledger.record(session, reason, reservation_ids)
    counts = [await _change_count(session, *month, limit) for month in months]
    return [count for count in counts if count]


async def _change_count(
    session: AsyncSession, user_id: int, period_start: date, change: int, limit: int | None
) -> Usage | None:
    if limit is not None and change > limit:  # the first row of a month is inserted without a check
        return None
    connection = await session.connection()
    values = {"user_id": user_id, "period_start": period_start, "limit": limit, "change": change}
    row = (
        await connection.execute(ADD_TO_COUNT if change > 0 else SUBTRACT_FROM_COUNT, values)
    ).one_or_none()
    if row is None:
        return None
    changed = Usage(row.used, limit, period_start, row.version)
    event = pb.UsageChanged(user_id=user_id, usage=changed.to_proto())
    await outbox.publish(session, "billing.usage_changed", event)
    return changed


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
