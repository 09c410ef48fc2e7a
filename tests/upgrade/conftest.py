"""Leaves the long tests out unless `make test-upgrade` runs, and starts the release before for them."""

import asyncio
import os
from collections.abc import AsyncGenerator

import pytest

from loupe_local.service_names import NAMES
from loupe_local.stack import Stack
from tests.upgrade.release_before import NoCommit, build
from tests.upgrade.replicas import OLD, Replicas

collect_ignore = [] if "LOUPE_UPGRADE" in os.environ else ["test_keys.py", "test_upgrade.py"]


@pytest.fixture
async def replicas(stack: Stack) -> AsyncGenerator[Replicas]:
    """Replace the services of the running stack by replicas of the release before."""
    try:
        before = await asyncio.to_thread(build)
    except NoCommit as error:
        pytest.fail(str(error))
    supervisor, both = stack.stores.supervisor, Replicas(stack, before)
    await asyncio.gather(*(supervisor.stop(name) for name in NAMES))
    try:
        await asyncio.gather(both.start_triton(), *(both.start(OLD, name) for name in NAMES))
        yield both
    finally:
        await both.stop_all()
        await asyncio.gather(*(supervisor.restart(name) for name in NAMES))
