"""Places in quotas in numbers: what became of them, counted once it is committed, and how many are open."""

import sqlalchemy as sa
from prometheus_client import Counter, Gauge
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.tables import Reason
from common import errors
from common.db import Sessions, once_committed
from loupe.refusals import Refusal

OPEN = sa.text("""
    SELECT count(*), count(*) FILTER (WHERE expires_at < now()),
        coalesce(extract(epoch FROM now() - min(expires_at)), 0)
    FROM reservation WHERE state = 'reserved'
""")

places = Counter("loupe_quota_places_total", "Places in quotas, by what became of them", ["outcome"])
refusals = Counter("loupe_quota_refusals_total", "Requests for places that were refused", ["reason"])
reservations = Gauge(
    "loupe_quota_reservations", "Places that are reserved, and those past their end", ["state"]
)
overdue_seconds = Gauge(
    "loupe_quota_overdue_seconds", "How long ago the oldest open reservation should have ended"
)


def count(session: AsyncSession, reason: Reason, entered: int) -> None:
    once_committed(session, lambda: places.labels(reason.value).inc(entered))


def refused(refusal: Refusal, **values: str) -> errors.ServiceError:
    """Count the refusal, and return its error."""
    refusals.labels(refusal.code).inc()
    return errors.refused(refusal, **values)


async def measure(sessions: Sessions) -> None:
    """Brings the gauges up to date."""
    async with sessions.begin() as session:
        is_open, overdue, seconds = (await (await session.connection()).execute(OPEN)).one()
    reservations.labels("open").set(is_open)
    reservations.labels("overdue").set(overdue)
    overdue_seconds.set(max(0.0, float(seconds)))
