"""Runs images and billing in this process, with the session's stores. Each test finds them empty."""

from collections.abc import AsyncGenerator

import pytest

from common.db import Sessions
from loupe_local.stores import Stores
from tests.images.harness import Harness, emptied, harness_of


@pytest.fixture(scope="session")
async def running(stores: Stores) -> AsyncGenerator[Harness]:
    async with harness_of(stores) as harness:
        yield harness


@pytest.fixture
async def harness(running: Harness) -> Harness:
    await emptied(running)
    return running


@pytest.fixture
def sessions(harness: Harness) -> Sessions:
    return harness.sessions
