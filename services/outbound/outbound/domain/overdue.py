"""Gauges that say whether deliveries are made in time."""

from datetime import datetime

import sqlalchemy as sa
from prometheus_client import Gauge
from sqlmodel.ext.asyncio.session import AsyncSession

OLDEST = sa.text("SELECT min(next_at) FROM turn WHERE next_at IS NOT NULL")
FAILING = sa.text("SELECT count(*) FROM webhook WHERE failing_since IS NOT NULL AND is_enabled")

overdue_seconds = Gauge(
    "loupe_webhook_overdue_seconds", "How long the user has waited whose delivery is due longest"
)
failing_webhooks = Gauge("loupe_webhooks_failing", "Webhooks whose last delivery failed")


async def update_gauges(session: AsyncSession, now: datetime) -> None:
    connection = await session.connection()
    oldest = (await connection.execute(OLDEST)).scalar_one()
    overdue_seconds.set(max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
    failing_webhooks.set((await connection.execute(FAILING)).scalar_one())
