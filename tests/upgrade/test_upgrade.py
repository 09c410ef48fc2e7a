"""This release beside the release before, under load: each image ends as it must, and is charged once.

The replicas of each service are replaced one after the other: by this release, and back.
"""

import asyncio
from collections.abc import Sequence

import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import People, Person
from tests.upgrade.audit import audit
from tests.upgrade.load import Clients, load
from tests.upgrade.replicas import NEW, OLD, Replicas

USERS = 3
SERVERS_FIRST = ("auth", "billing", "images", "outbound", "inference", "gateway")
RESULTS = 2
"""Results that each client checks at each step."""


@pytest.fixture
async def people(stack: Stack) -> list[Person]:
    return [await People(stack).new("enterprise") for _ in range(USERS)]


@pytest.mark.timeout(600)
async def test_every_image_ends_and_is_charged_once_while_releases_replace_each_other(
    stack: Stack, people: list[Person], replicas: Replicas
) -> None:
    clients = [Clients(replicas.gateways, person) for person in people]

    async with load(clients):
        await until_checked(clients)
        for name in SERVERS_FIRST:
            await replace(replicas, name, OLD, NEW, clients)
        for name in reversed(SERVERS_FIRST):
            await replace(replicas, name, NEW, OLD, clients)
    # the release before lets the places of interrupted uploads expire
    problems = [
        problem
        for each in clients
        for problem in await audit(stack, each, most_open=3 * each.unclear_uploads)
    ]

    for each in clients:
        await each.close()
    assert problems == []


async def replace(replicas: Replicas, name: str, old: str, new: str, clients: Sequence[Clients]) -> None:
    """Start a replica of one release, stop that of the other. Images are made beside both, and after it."""
    await replicas.start(new, name)
    await until_checked(clients)
    await replicas.stop(old, name)
    await until_checked(clients)


async def until_checked(clients: Sequence[Clients]) -> None:
    """Wait until each client has checked some more results."""
    before = [each.checked for each in clients]
    async with asyncio.timeout(60):
        while any(each.checked - count < RESULTS for each, count in zip(clients, before, strict=True)):
            await asyncio.sleep(0.05)
