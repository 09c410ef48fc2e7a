"""Metrics of the monthly quota.

Entries are counted after the commit, so that only what happened is counted. Refusals are counted at once.
"""

import sqlalchemy as sa
from prometheus_client import Counter, Gauge
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.tables import Reason
from common import errors
from common.db import on_commit
from loupe.refusals import Refusal

COUNT_OPEN = sa.text("""
    SELECT count(*), count(*) FILTER (WHERE expires_at < now()),
        coalesce(extract(epoch FROM now() - min(expires_at)), 0)
    FROM reservation WHERE state = 'reserved'
""")

places = Counter("loupe_quota_places_total", "Places in quotas by outcome", ["outcome"])
refused_requests = Counter("loupe_quota_refusals_total", "Requests for places that were refused", ["reason"])
reservations = Gauge("loupe_quota_reservations", "Open reservations, and those that are overdue", ["state"])
overdue_seconds = Gauge(
    "loupe_quota_overdue_seconds", "Time since the oldest overdue reservation should have expired"
)


def count_entries(session: AsyncSession, reason: Reason, count: int) -> None:
    """Count ledger entries once the transaction has committed."""
    on_commit(session, lambda: places.labels(reason.value).inc(count))


def count_refusal(refusal: Refusal, **values: str) -> errors.ServiceError:
    """Count the refusal, and return its error."""
    refused_requests.labels(refusal.code).inc()
    return errors.refused(refusal, **values)


async def update_gauges(session: AsyncSession) -> None:
    open_count, overdue, seconds = (await (await session.connection()).execute(COUNT_OPEN)).one()
    reservations.labels("open").set(open_count)
    reservations.labels("overdue").set(overdue)
    overdue_seconds.set(max(0.0, float(seconds)))
