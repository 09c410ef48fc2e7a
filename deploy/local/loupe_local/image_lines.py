"""Print a line for each image that has ended: `12:03:04 image 7  cat.jpg  451x300 -> 1804x1200  1.1 s`.

The events say which image has ended, and the database says how. After a lost connection to the broker the
database is asked for everything that ended meanwhile.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from typing import Any

import nats
import psycopg
from nats.aio.msg import Msg
from psycopg import sql
from psycopg.rows import dict_row

from loupe.images.v1 import images_pb2
from loupe_local.stores import Stores

SUBJECTS = ("images.completed", "images.failed", "images.cancelled")
PAUSE_SECONDS = 1.0
"""Pause before the database is asked again after an error. It is then usually starting again."""
REMEMBERED = 1000

ENDED = sql.SQL("""
    SELECT id, original_filename AS name, original_width, original_height, upscaled_width, upscaled_height,
        status, processing_seconds AS seconds, failure_code, failure_message, updated_at
    FROM image WHERE status IN ('completed', 'failed') AND (id = ANY(%(ids)s) OR updated_at > %(since)s)
    ORDER BY updated_at, id
""")


class ImageLines:
    """Knows the images that have ended and prints each outcome once."""

    def __init__(self, stores: Stores, say: Callable[[str], None]) -> None:
        self._url = stores.postgres.url("images", "images", scheme="postgresql")
        self._say = say
        self._ended: set[int] = set()
        self._since: datetime | None = None
        self._last: datetime | None = None
        self._news = asyncio.Event()
        self._printed: dict[int, datetime] = {}

    async def receive(self, message: Msg) -> None:
        self._ended.add(images_pb2.ImageEnded.FromString(message.data).image_id)
        self._news.set()

    async def catch_up(self) -> None:
        """Ask also for images whose event may have been lost."""
        self._since = self._last
        self._news.set()

    async def run(self) -> None:
        self._last = await self._now()
        while True:
            await self._news.wait()
            self._news.clear()
            ids, self._ended = self._ended, set()
            try:
                rows = await self._rows(ids, self._since)
            except psycopg.Error:
                self._ended |= ids
                self._news.set()
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            self._since = None
            for row in rows:
                self._print(row)

    def _print(self, row: dict[str, Any]) -> None:
        if self._printed.get(row["id"]) == row["updated_at"]:
            return
        self._printed.pop(row["id"], None)
        self._printed[row["id"]] = row["updated_at"]
        self._last = max(self._last or row["updated_at"], row["updated_at"])
        if len(self._printed) > REMEMBERED:
            del self._printed[next(iter(self._printed))]
        self._say(f"{time.strftime('%H:%M:%S')} {line_of(row)}")

    async def _now(self) -> datetime:
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            row = await (await connection.execute("SELECT now()")).fetchone()
        assert row is not None  # noqa: S101 (for the type checker)
        return row[0]

    async def _rows(self, ids: set[int], since: datetime | None) -> list[dict[str, Any]]:
        async with await psycopg.AsyncConnection[dict[str, Any]].connect(
            self._url, row_factory=dict_row
        ) as connection:
            found = await connection.execute(ENDED, {"ids": list(ids), "since": since})
            return await found.fetchall()


def line_of(row: dict[str, Any]) -> str:
    start = f"image {row['id']}  {row['name']}  {row['original_width']}x{row['original_height']}"
    if row["status"] == "failed":
        is_cancelled = row["failure_code"] == "cancelled"
        return f"{start}  {'cancelled' if is_cancelled else 'failed: ' + str(row['failure_message'])}"
    seconds = "" if row["seconds"] is None else f"  {row['seconds']:.1f} s"
    return f"{start} -> {row['upscaled_width']}x{row['upscaled_height']}{seconds}"


@contextlib.asynccontextmanager
async def printed(stores: Stores, say: Callable[[str], None]) -> AsyncGenerator[None]:
    """Print the lines while the block runs."""
    lines = ImageLines(stores, say)
    task = asyncio.create_task(lines.run())
    client = await nats.connect(
        stores.nats_url("operator"),
        max_reconnect_attempts=-1,
        reconnect_time_wait=PAUSE_SECONDS,
        reconnected_cb=lines.catch_up,
        error_cb=_ignore,
    )
    try:
        for subject in SUBJECTS:
            await client.subscribe(subject, cb=lines.receive)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()


async def _ignore(_error: Exception) -> None:
    """The client connects again by itself."""
