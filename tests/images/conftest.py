"""Runs images and billing in this process, with the session's stores. Each test finds them empty."""

from collections.abc import AsyncGenerator

import pytest

from common.db import Sessions
from loupe_local.stores import Stores
from tests.images.images_rig import Rig, emptied, rig_of


@pytest.fixture(scope="session")
async def running(stores: Stores) -> AsyncGenerator[Rig]:
    async with rig_of(stores) as rig:
        yield rig


@pytest.fixture
async def rig(running: Rig) -> Rig:
    await emptied(running)
    return running


@pytest.fixture
def sessions(rig: Rig) -> Sessions:
    return rig.sessions
