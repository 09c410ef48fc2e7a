"""The ledger: each change of a month's count with its reason. Entries are only ever added; their sum is the
count.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.domain import measures
from billing.tables import LedgerEntry, Reason

CHANGES: Mapping[Reason, int] = {
    Reason.RESERVED: +1,
    Reason.CAPTURED: 0,
    Reason.RELEASED: -1,
    Reason.EXPIRED: -1,
    Reason.RETAKEN: +1,
}
ENTER = sa.text("""
    WITH entered AS (
        INSERT INTO ledger_entry (reservation_id, user_id, period_start, change, reason, created_at)
        SELECT id, user_id, period_start, :change, :reason, statement_timestamp() FROM reservation
        WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING user_id, period_start, change
    )
    SELECT user_id, period_start, sum(change) FROM entered GROUP BY user_id, period_start
    ORDER BY user_id, period_start
""")


async def enter(
    session: AsyncSession, reason: Reason, reservation_ids: Sequence[uuid.UUID]
) -> list[tuple[int, date, int]]:
    """An entry for each reservation; gives what that makes for each user and month, in the order of locks."""
    if not reservation_ids:
        return []
    connection = await session.connection()
    values = {"reason": reason.value, "change": CHANGES[reason], "ids": list(reservation_ids)}
    months = await connection.execute(ENTER, values)
    measures.count(session, reason, len(reservation_ids))
    return [(user_id, period_start, change) for user_id, period_start, change in months]


async def of_month(session: AsyncSession, user_id: int, period_start: date) -> Sequence[LedgerEntry]:
    """Oldest first."""
    found = await session.exec(
        select(LedgerEntry)
        .where(LedgerEntry.user_id == user_id, LedgerEntry.period_start == period_start)
        .order_by(col(LedgerEntry.id))
    )
    return found.all()
