"""Compares page 60,000 of a million images with the first page."""

import statistics
import time

from common import db
from common.db import Sessions
from images.domain import pages
from loupe_local.stack import Stack
from tests.bench.measure import without_images
from tests.million import a_million_images, remove_images

USER, OTHER = 1_000_001, 1_000_002
SIZE = 15
ROUNDS = 200


async def far_over_first(running: Stack) -> float:
    """Return the median time of page 60,000 over that of page 1. Both are measured in turns."""
    engine = db.engine(running.stores.database_url("images"))
    sessions = db.sessions(engine)
    async with without_images(running):
        async with sessions.begin() as session:
            await a_million_images(session, USER, OTHER)
        first, far = list[float](), list[float]()
        for _ in range(ROUNDS):
            first.append(await _seconds(sessions, 1))
            far.append(await _seconds(sessions, 60_000))
        async with sessions.begin() as session:
            await remove_images(session, USER, OTHER)
    await engine.dispose()
    return statistics.median(far) / statistics.median(first)


async def _seconds(sessions: Sessions, number: int) -> float:
    started = time.perf_counter()
    async with sessions.begin() as session:
        images, _ = await pages.page(session, USER, None, number=number, size=SIZE)
    assert len(images) == SIZE
    return time.perf_counter() - started
