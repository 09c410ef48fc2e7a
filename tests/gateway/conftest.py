"""A gateway beside the running system, which has auth check every request, and users for it."""

from collections.abc import AsyncGenerator

import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import Harness, People, gateway_on, settings_of


@pytest.fixture(scope="session")
async def gateway(stack: Stack) -> AsyncGenerator[Harness]:
    async with gateway_on(settings_of(stack, principal_seconds=0.0)) as running:
        yield running


@pytest.fixture(scope="session")
def people(stack: Stack) -> People:
    return People(stack)
