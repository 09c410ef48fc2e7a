"""A gateway beside the running system, which has auth check every request, and users for it."""

from collections.abc import AsyncGenerator

import pytest

from loupe_local.stack import Stack
from tests.gateway.console import Browser, signed_in
from tests.gateway.harness import Harness, People, Person, gateway_on, settings_of
from tests.gateway.loupe_admin import result_of


@pytest.fixture(scope="session")
async def gateway(stack: Stack) -> AsyncGenerator[Harness]:
    async with gateway_on(settings_of(stack, principal_seconds=0.0)) as running:
        yield running


@pytest.fixture(scope="session")
def people(stack: Stack) -> People:
    return People(stack)


@pytest.fixture(scope="module")
async def operator(stack: Stack, people: People) -> Person:
    person = await people.new("professional")
    await result_of(stack, "user", "promote", person.email)
    return person


@pytest.fixture
async def console(gateway: Harness, operator: Person) -> AsyncGenerator[Browser]:
    async with signed_in(gateway, operator) as browser:
        yield browser
