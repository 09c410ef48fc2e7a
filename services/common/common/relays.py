"""Keeps a table of messages empty: sends its rows whenever PostgreSQL notifies that there are new ones."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import psycopg
from sqlalchemy.engine import make_url

from common import log, process
from common.repeated import Repeated

REPEATED = Repeated(log.get(__name__))
POLL_SECONDS = 5.0
RETRY_SECONDS = 1.0

SendBatch = Callable[[], Awaitable[bool]]
"""A function that sends some rows and deletes them. It returns whether there may be more rows."""


async def keep_empty(
    table: str, url: str, send_batch: SendBatch, *, poll_seconds: float = POLL_SECONDS
) -> None:
    """Send rows until cancelled. They stay while the broker or the database is unavailable.

    Code that inserts rows notifies the channel that has the name of the table.
    """
    woken = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_listen(table, url, woken))
        while True:
            woken.clear()
            process.end_if_cancelled()
            try:
                while await send_batch():
                    pass
            except Exception as error:  # noqa: BLE001  the rows stay, and the next round tries again
                REPEATED.warning(
                    f"{table} not emptied",
                    cause=type(error),
                    error=log.error_text(error),
                    action=f"events stay in the {table}, next attempt in {RETRY_SECONDS:.0f} s",
                )
                await asyncio.sleep(RETRY_SECONDS)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(poll_seconds):  # `wait_for` may lose a cancellation
                    await woken.wait()


async def _listen(channel: str, url: str, woken: asyncio.Event) -> None:
    """Wake the relay on NOTIFY, over a separate connection. Without it the relay polls every 5 seconds."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as connection:
                await connection.execute(f"LISTEN {channel}".encode())
                woken.set()
                async for _ in connection.notifies():
                    woken.set()
        except psycopg.Error as error:
            REPEATED.warning(
                f"{channel} lost its LISTEN connection",
                error=str(error),
                action=f"polling every {POLL_SECONDS:.0f} s, reconnecting in {RETRY_SECONDS:.0f} s",
            )
            await asyncio.sleep(RETRY_SECONDS)
