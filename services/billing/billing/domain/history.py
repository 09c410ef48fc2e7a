"""Sums the ledger of a user by day or by month."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from common.db import now

MOST_DAYS, USUAL_DAYS = 92, 30
MOST_MONTHS, USUAL_MONTHS = 36, 12
SUMS = """
    SELECT {start} AS start,
        count(*) FILTER (WHERE reason = 'reserved'),
        count(*) FILTER (WHERE reason = 'captured'),
        count(*) FILTER (WHERE reason IN ('released', 'expired'))
            - count(*) FILTER (WHERE reason = 'retaken'),
        coalesce(sum(change), 0)
    FROM ledger_entry WHERE user_id = :user_id AND {within} GROUP BY 1
"""
BY_MONTH = sa.text(SUMS.format(start="period_start", within="period_start BETWEEN :first AND :last"))
BY_DAY = sa.text(
    SUMS.format(
        start="CAST(created_at AT TIME ZONE 'UTC' AS date)",
        within="""period_start >= :earliest_month
            AND created_at >= CAST(:first AS timestamp) AT TIME ZONE 'UTC'
            AND created_at < CAST(:end AS timestamp) AT TIME ZONE 'UTC'""",
    )
)
MONTH_LATE = timedelta(days=62)
"""The longest time from the beginning of a month until its last entry is made."""


@dataclass(frozen=True, slots=True)
class Sums:
    """The images of a day or of a month."""

    accepted: int = 0
    completed: int = 0
    returned: int = 0
    used: int = 0
    """The change of the month's count: accepted images without those whose place was returned."""


@dataclass(frozen=True, slots=True)
class Range:
    """The first and the last day of a range. By month, both are first days of a month."""

    first: date
    last: date
    is_by_month: bool

    @classmethod
    def parse(cls, first: str, last: str, *, by_month: bool) -> Self:
        """Return the range. An empty `last` means today, an empty `first` a range of the usual length.

        Raise `InvalidArgument` for the field `from` or `to` if a text is no date, if the range ends before it
        begins, or if it is too long.
        """
        texts = {"from": first, "to": last}
        days = {name: _parse_day(name, text) for name, text in texts.items() if text}
        end = days.get("to", now().date())
        if by_month:
            end = end.replace(day=1)
            begin = days.get("from", _months_before(end, USUAL_MONTHS - 1)).replace(day=1)
            earliest, limit = _months_before(end, MOST_MONTHS - 1), f"{MOST_MONTHS} months"
        else:
            begin = days.get("from", end - timedelta(days=USUAL_DAYS - 1))
            earliest, limit = end - timedelta(days=MOST_DAYS - 1), f"{MOST_DAYS} days"
        if begin > end:
            raise errors.invalid({"from": ["The from must not be after the to."]})
        if begin < earliest:
            raise errors.invalid({"from": [f"The range may not be longer than {limit}."]})
        return cls(begin, end, is_by_month=by_month)


def _parse_day(name: str, text: str) -> date:
    if re.fullmatch(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise errors.invalid({name: [f"The {name} must be a day such as 2026-02-01."]})


def _months_before(month: date, count: int) -> date:
    index = month.year * 12 + month.month - 1 - count
    return date(index // 12, index % 12 + 1, 1)


async def sums(session: AsyncSession, user_id: int, span: Range) -> list[tuple[date, Sums]]:
    """Return the sums of each day or month of the range, oldest first."""
    return await (by_month if span.is_by_month else by_day)(session, user_id, span.first, span.last)


async def by_day(session: AsyncSession, user_id: int, first: date, last: date) -> list[tuple[date, Sums]]:
    """Return the sums of each day (UTC) from `first` to `last`, by the time of the entries."""
    earliest = (first - MONTH_LATE).replace(day=1)
    values = {"first": first, "end": last + timedelta(days=1), "earliest_month": earliest}
    found = await _sums(session, BY_DAY, {"user_id": user_id, **values})
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [(day, found.get(day, Sums())) for day in days]


async def by_month(session: AsyncSession, user_id: int, first: date, last: date) -> list[tuple[date, Sums]]:
    """Return the sums of each month whose quota counted them. Both dates are first days of a month."""
    found = await _sums(session, BY_MONTH, {"user_id": user_id, "first": first, "last": last})
    count = (last.year - first.year) * 12 + last.month - first.month
    months = [_months_before(last, back) for back in range(count, -1, -1)]
    return [(month, found.get(month, Sums())) for month in months]


async def _sums(
    session: AsyncSession, statement: sa.TextClause, values: Mapping[str, object]
) -> dict[date, Sums]:
    rows = await (await session.connection()).execute(statement, dict(values))
    return {start: Sums(*counts) for start, *counts in rows}
