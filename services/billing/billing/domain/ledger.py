"""The ledger: every change of a month's count, with its reason.

Entries are never changed or deleted. Their sum is the month's count.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.domain import quota_metrics
from billing.tables import LedgerEntry, Reason

CHANGES: Mapping[Reason, int] = {
    Reason.RESERVED: +1,
    Reason.CAPTURED: 0,
    Reason.RELEASED: -1,
    Reason.EXPIRED: -1,
    Reason.RETAKEN: +1,
}
INSERT_ENTRIES = sa.text("""
    WITH entered AS (
        INSERT INTO ledger_entry (reservation_id, user_id, period_start, change, reason, created_at)
        SELECT id, user_id, period_start, :change, :reason, statement_timestamp() FROM reservation
        WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING user_id, period_start, change
    )
    SELECT user_id, period_start, sum(change) FROM entered GROUP BY user_id, period_start
    ORDER BY user_id, period_start
""")


async def record(
    session: AsyncSession, reason: Reason, reservation_ids: Sequence[uuid.UUID]
) -> list[tuple[int, date, int]]:
    """Add one entry for each reservation.

    Return (user id, first day of the month, sum of the new entries) for each user and month, in the order in
    which the months' counters must be locked.
    """
    if not reservation_ids:
        return []
    connection = await session.connection()
    values = {"reason": reason.value, "change": CHANGES[reason], "ids": list(reservation_ids)}
    months = await connection.execute(INSERT_ENTRIES, values)
    quota_metrics.count_entries(session, reason, len(reservation_ids))
    return [(user_id, period_start, change) for user_id, period_start, change in months]


async def entries_of_month(session: AsyncSession, user_id: int, period_start: date) -> Sequence[LedgerEntry]:
    """Return the entries of a user's month, oldest first."""
    found = await session.exec(
        select(LedgerEntry)
        .where(LedgerEntry.user_id == user_id, LedgerEntry.period_start == period_start)
        .order_by(col(LedgerEntry.id))
    )
    return found.all()
