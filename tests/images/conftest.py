"""Fixtures: images and billing in this process, with the session's stores.

Each test starts without rows and objects.
"""

from collections.abc import AsyncGenerator

import pytest

from common.db import Sessions
from loupe_local.stores import Stores
from tests.images.harness import Harness, delete_everything, run_harness


@pytest.fixture(scope="session")
async def running(stores: Stores) -> AsyncGenerator[Harness]:
    async with run_harness(stores) as harness:
        yield harness


@pytest.fixture
async def harness(running: Harness) -> Harness:
    await delete_everything(running)
    return running


@pytest.fixture
def sessions(harness: Harness) -> Sessions:
    return harness.sessions
