"""Checks after a load that no image is lost, and each is charged once."""

import asyncio
import time

import psycopg

from loupe_local.stack import Stack
from tests.client import UNFINISHED
from tests.upgrade.load import Clients

COUNTS = """
    SELECT (SELECT count(*) FROM reservation WHERE user_id = %(user)s AND state = 'reserved'),
        (SELECT coalesce(sum(used), 0) FROM quota WHERE user_id = %(user)s),
        (SELECT coalesce(sum(change), 0) FROM ledger_entry WHERE user_id = %(user)s),
        (SELECT count(*) FROM reservation WHERE user_id = %(user)s AND state = 'captured')
"""


async def audit(stack: Stack, clients: Clients, *, most_open: int = 0) -> list[str]:
    """Return a sentence for each thing that is not as it must be after the load.

    `most_open` places may stay reserved without an image.
    """
    listed = await clients.list_images()
    async with asyncio.timeout(60):
        while set(UNFINISHED) & set(listed.values()):
            await asyncio.sleep(0.1)
            listed = await clients.list_images()
    problems = [*clients.problems]
    problems += [f"image {one} is {status}" for one, status in listed.items() if status != "completed"]
    problems += [f"image {one} is lost" for one in clients.accepted - clients.deleted - listed.keys()]
    if len(listed.keys() - clients.accepted) > 3 * clients.unclear_uploads:
        problems.append("there are images that nobody uploaded")
    url = stack.stores.database_url("billing").replace("postgresql+psycopg", "postgresql")
    async with await psycopg.AsyncConnection[tuple[int, int, int, int]].connect(
        url, autocommit=True
    ) as billing:
        # an image is captured a moment after its end, an interrupted upload is undone within half a minute
        deadline = time.monotonic() + 60
        while True:
            count = await counted(billing, clients.person.id)
            is_settled = count[-1] >= len(listed) and count[0] <= most_open
            if is_settled or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
    still_open, used, entries, captured = count
    if not used == entries == captured + still_open:
        problems.append(f"{used} images are counted, the ledger has {entries}, {captured} are captured")
    if still_open > most_open:
        problems.append(f"{still_open} reservations are open")
    if not len(listed) <= captured <= len(listed) + len(clients.deleted) + 3 * clients.unclear_uploads:
        problems.append(f"{captured} images are charged, and {len(listed)} completed")
    return problems


async def counted(
    billing: psycopg.AsyncConnection[tuple[int, int, int, int]], user_id: int
) -> tuple[int, int, int, int]:
    """Return open reservations, the month's count, the sum of its ledger, and captured reservations."""
    found = await (await billing.execute(COUNTS, {"user": user_id})).fetchone()
    assert found
    return found
