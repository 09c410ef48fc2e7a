"""A worker is frozen while images are under way, and comes back when another one has finished them.

Its results then carry an older fence, and must change nothing.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import psycopg

from tests.chaos.kinds import Fault, Strike
from tests.chaos.world import World

UNDER_WAY = "SELECT id FROM image WHERE status = 'processing' LIMIT 5"
UNFINISHED = "SELECT id FROM image WHERE id = ANY(%s) AND status IN ('pending', 'processing')"
POLL_SECONDS = 0.1


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    frozen: asyncio.Task[bool] | None = None
    with contextlib.suppress(TimeoutError, psycopg.Error):
        async with asyncio.timeout(chosen.seconds), await _database(world) as database:
            while not (ids := [id_ for (id_,) in await (await database.execute(UNDER_WAY)).fetchall()]):
                await asyncio.sleep(POLL_SECONDS)
            frozen = asyncio.create_task(world.freeze(chosen.component, chosen.seconds))
            while await (await database.execute(UNFINISHED, [ids])).fetchone():
                await asyncio.sleep(POLL_SECONDS)
    if frozen is None:
        return []
    frozen.cancel()  # the worker goes on
    with contextlib.suppress(asyncio.CancelledError):
        return [chosen.component] if await frozen else []
    return [chosen.component]


async def _database(world: World) -> psycopg.AsyncConnection[tuple[int]]:
    url = world.stack.stores.postgres.admin_url("images")
    return await psycopg.AsyncConnection[tuple[int]].connect(url, autocommit=True, connect_timeout=5)


FAULT = Fault(
    name="overtake a worker",
    weight=3,
    targets=lambda _: ("inference", "inference-2"),
    strike=strike,
    is_kill=True,
    longest_seconds=30,
)
