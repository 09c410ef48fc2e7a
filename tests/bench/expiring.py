"""Compares the sweep of expired images while a million are due with that of a few thousand."""

import statistics
import time

from common import db
from common.db import Sessions
from images.domain import expiry
from loupe_local.stack import Stack
from tests.million import WITH_OTHERS, insert_images, remove_images

USER, OTHER = 1_000_003, 1_000_004
ROUNDS = 40
"""The most transactions of a sweep."""


async def sweep_over_few(running: Stack) -> float:
    """Return the median time of a transaction of the sweep while a million images are due, over that for few.

    The service is stopped meanwhile, because its sweeps would take the same images.
    """
    engine = db.engine(running.stores.database_url("images"))
    sessions = db.sessions(engine)
    await running.stores.supervisor.stop("images")
    try:
        few = await _median_seconds(sessions, ROUNDS * expiry.AT_ONCE)
        many = await _median_seconds(sessions, WITH_OTHERS)
    finally:
        await engine.dispose()
        await running.stores.supervisor.restart("images")
    return many / few


async def _median_seconds(sessions: Sessions, due: int) -> float:
    async with sessions.begin() as session:
        await insert_images(session, USER, OTHER, due, are_due=True)
    times = list[float]()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        async with sessions.begin() as session:
            assert await expiry.delete_some(session) == expiry.AT_ONCE
        times.append(time.perf_counter() - started)
    async with sessions.begin() as session:
        await remove_images(session, USER, OTHER)
    return statistics.median(times)
