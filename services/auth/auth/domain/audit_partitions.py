"""The audit's partitions: one for each month in UTC. Old ones are dropped whole, so that no row is deleted.

A partition is made as a table of its own and attached then, because that waits for no reader of the audit.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from prometheus_client import Gauge
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.tables import AuditEntry

MADE_AHEAD = 2
"""Months after the present one that have a partition."""
LONGEST_MONTH = timedelta(days=31)
LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext('audit_entry'))")
"""Two replicas never make or drop a partition at the same time."""
LOCK_TIMEOUT = sa.text("SET LOCAL lock_timeout = '5s'")
IS_THERE = sa.text("SELECT to_regclass(:name) IS NOT NULL")
FIND = sa.text("""
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'audit_entry'::regclass ORDER BY relname
""")
NAME = re.compile(r"audit_entry_(\d{4})_(\d{2})")
partitions = Gauge("loupe_audit_partitions", "Months that the audit holds, those made ahead included")


def month_of(instant: datetime) -> date:
    """Return the first day of the month in UTC."""
    return instant.astimezone(UTC).date().replace(day=1)


def oldest_kept(now: datetime, kept_days: int) -> date:
    """Return the first month of which a day is kept. Zero days: all months."""
    return month_of(now - timedelta(days=kept_days)) if kept_days else date.min


async def make(session: AsyncSession, month: date) -> None:
    """Make the partition of a month. Repeating it changes nothing."""
    connection = await session.connection()
    name = f"{AuditEntry.__tablename__}_{month:%Y_%m}"
    if (await connection.execute(IS_THERE, {"name": name})).scalar_one():
        return
    await connection.execute(LOCK)
    if (await connection.execute(IS_THERE, {"name": name})).scalar_one():
        return
    start, end = _midnight(month), _midnight(_next(month))
    await connection.execute(sa.text(f"CREATE TABLE {name} (LIKE audit_entry INCLUDING ALL)"))
    attach = f"ALTER TABLE audit_entry ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"
    await connection.execute(sa.text(attach))


async def keep(session: AsyncSession, now: datetime, kept_days: int) -> Sequence[str]:
    """Make the partitions of this month and the next ones. Drop those that are too old, and return them."""
    month = month_of(now)
    for _ in range(1 + MADE_AHEAD):
        await make(session, month)
        month = _next(month)
    connection = await session.connection()
    await connection.execute(LOCK)
    found = (await connection.execute(FIND)).scalars().all()
    oldest = oldest_kept(now, kept_days)
    dropped = [name for name in found if (parts := NAME.fullmatch(name)) and _to_month(parts) < oldest]
    await connection.execute(LOCK_TIMEOUT)
    for name in dropped:
        await connection.execute(sa.text(f"DROP TABLE {name}"))
    partitions.set(len(found) - len(dropped))
    return dropped


def _to_month(parts: re.Match[str]) -> date:
    return date(int(parts[1]), int(parts[2]), 1)


def _next(month: date) -> date:
    return (month + LONGEST_MONTH).replace(day=1)


def _midnight(day: date) -> str:
    return f"{day.isoformat()} 00:00:00+00"
