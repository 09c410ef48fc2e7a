"""Gauges of unfinished images, for dashboards, alerts and autoscaling. Their values come from the database.

The counters are in `images.domain.counters`, because they count changes as they are committed.
"""

from typing import Any

import sqlalchemy as sa
from prometheus_client import Gauge

from common.db import Sessions
from images.domain import expiry
from images.tables import UNFINISHED, WAITS

UNFINISHED_WORK = sa.text("""
    SELECT status, count(*) AS images,
        sum(upscaled_width::float8 * upscaled_height * (100 - progress)) / 1e8 AS megapixels,
        extract(epoch FROM now() - min(created_at)) AS seconds
    FROM image WHERE status IN ('pending', 'processing') GROUP BY status
""")
"""Reads only rows in the partial index of unfinished images."""
CLIENT_EVENTS = sa.text("""
    SELECT count(*), coalesce(extract(epoch FROM now() - min(occurred_at)), 0)
    FROM (SELECT occurred_at FROM client_event ORDER BY id LIMIT 10000) AS oldest
""")
USERS_WAITING = sa.text(f"SELECT count(DISTINCT user_id) FROM image WHERE {WAITS} AND turn >= 0")  # noqa: S608
FILES_WAITING = sa.text("SELECT count(*) FROM image_source WHERE due_at IS NOT NULL")

unfinished = Gauge("loupe_images_unfinished", "Images that wait or are worked on", ["status"])
users_waiting = Gauge("loupe_users_waiting", "Users with images that wait to be let into the stream")
files_waiting = Gauge("loupe_manifest_files_waiting", "Files of manifests that still have to be fetched")
oldest_seconds = Gauge("loupe_images_oldest_seconds", "Age of the oldest image of that status", ["status"])
expired_waiting = Gauge(
    "loupe_images_expired_waiting",
    "Images past their time that still have rows, counted up to 10,000",
)
expired_oldest = Gauge(
    "loupe_images_expired_oldest_seconds", "How long the oldest of these images should have been deleted"
)
client_events_waiting = Gauge(
    "loupe_client_events_rows", "Events for clients that have not been sent, counted up to 10,000"
)
client_events_oldest = Gauge(
    "loupe_client_events_oldest_seconds", "Age of the oldest event for clients that has not been sent"
)
queued_work = Gauge(
    "loupe_queued_work_megapixels",
    "Work that workers have yet to do: pixels of unfinished results, less the share that is done",
)


async def update(sessions: Sessions) -> None:
    """Read the current values once."""
    async with sessions.begin() as session:
        connection = await session.connection()
        users_waiting.set((await connection.execute(USERS_WAITING)).scalar_one())
        files_waiting.set((await connection.execute(FILES_WAITING)).scalar_one())
        events, seconds = (await connection.execute(CLIENT_EVENTS)).one()
        due = (await connection.execute(expiry.WAITING)).one()
        rows: dict[str, Any] = {row.status: row for row in await connection.execute(UNFINISHED_WORK)}
    expired_waiting.set(due.images)
    expired_oldest.set(max(0.0, float(due.seconds)))
    client_events_waiting.set(events)
    client_events_oldest.set(max(0.0, float(seconds)))
    for status in UNFINISHED:
        row = rows.get(status)
        unfinished.labels(status.value).set(row.images if row else 0)
        oldest_seconds.labels(status.value).set(max(0.0, float(row.seconds)) if row else 0)
    queued_work.set(sum(row.megapixels for row in rows.values()))
