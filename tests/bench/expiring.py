"""Compares the sweep of expired images while a million are due with that of a few thousand."""

import statistics
import time

from common import db
from common.db import Sessions
from images.domain import expiry
from loupe_local.stack import Stack
from tests.bench.measure import without_images
from tests.million import WITH_OTHERS, insert_images, remove_images

USER, OTHER = 1_000_003, 1_000_004
ROUNDS = 40
"""The most transactions of a sweep."""


async def sweep_over_few(running: Stack) -> float:
    """Return the median time of a sweep's transaction while a million images are due, over that for few."""
    engine = db.engine(running.stores.database_url("images"))
    sessions = db.sessions(engine)
    async with without_images(running):
        few = await _median_seconds(sessions, ROUNDS * expiry.AT_ONCE)
        many = await _median_seconds(sessions, WITH_OTHERS)
    await engine.dispose()
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
