"""Hourly limits over HTTP: exact over gateways, restarts and proxies, also while the broker is away."""

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence

import httpx2
import pytest

from common import bus
from common.metrics import Readiness
from loupe_local.stack import Stack
from loupe_local.stores import Stores
from tests.gateway.harness import (
    Harness,
    People,
    gateway_on,
    new_address,
    settings_of,
    settings_without_services,
    spend,
)

LIMIT = {"unauthenticated_requests_per_hour": 10, "trusted_proxies": "127.0.0.0/8", "replicas": 2}
UNKNOWN = "/api/nothing"


@pytest.fixture(scope="module")
async def two(stack: Stack) -> AsyncGenerator[tuple[Harness, Harness]]:
    async with (
        gateway_on(settings_of(stack, **LIMIT)) as one,
        gateway_on(settings_of(stack, **LIMIT)) as other,
    ):
        yield one, other


async def requests(
    gateways: Sequence[Harness], address: str, count: int, path: str = "/api/auth/login"
) -> list[httpx2.Response]:
    """Send that many requests at once."""
    headers = {"X-Forwarded-For": address}
    async with contextlib.AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(gateway.client(**headers)) for gateway in gateways]
        posts = [clients[number % len(clients)].post(path) for number in range(count)]
        return await asyncio.gather(*posts)


def statuses(answers: Sequence[httpx2.Response]) -> dict[int, int]:
    return dict(Counter(answer.status_code for answer in answers))


async def test_an_address_has_one_limit_over_all_gateways(two: tuple[Harness, Harness]) -> None:
    answers = await requests(two, new_address(), 30)

    assert statuses(answers) == {401: 10, 429: 20}
    left = [int(re.findall(r"r=(\d+)", each.headers["ratelimit"])[0]) for each in answers]
    assert sorted(left) == [0] * 21 + list(range(1, 10))
    assert {"retry-after" in each.headers for each in answers if each.status_code == 429} == {True}
    assert {each.headers["ratelimit-policy"] for each in answers} == {'"hour";q=10;w=3600'}


async def test_a_restarted_gateway_continues_to_count(stack: Stack, two: tuple[Harness, Harness]) -> None:
    address = new_address()
    async with gateway_on(settings_of(stack, **LIMIT)) as first:
        before = await requests([first, two[0]], address, 6)

    async with gateway_on(settings_of(stack, **LIMIT)) as again:
        after = await requests([again, two[1]], address, 20)

    assert (statuses(before), statuses(after)) == ({401: 6}, {401: 4, 429: 16})


async def test_each_user_has_a_separate_limit_over_all_gateways(
    stack: Stack, two: tuple[Harness, Harness], people: People
) -> None:
    person, other = await people.new("starter"), await people.new("starter")
    await spend(stack, f"user-{person.id}", 490)

    async with two[0].client(person.token) as one, two[1].client(person.token) as another:
        answers = await asyncio.gather(*((one, another)[number % 2].get("/api/user") for number in range(30)))
    async with two[0].client(other.token) as theirs:
        untouched = await theirs.get("/api/user")

    assert statuses(answers) == {200: 10, 429: 20}
    assert untouched.headers["ratelimit"].startswith('"hour";r=499;')


async def test_polls_never_exceed_their_limit(
    stack: Stack, two: tuple[Harness, Harness], people: People
) -> None:
    """Places that a gateway reserved and did not use are lost, so fewer polls may be admitted."""
    person = await people.new("starter")
    await spend(stack, f"poll-{person.id}", 4955)

    async with two[0].client(person.token) as one, two[1].client(person.token) as another:
        polls = [(one, another)[number % 2].get("/api/images/1") for number in range(100)]
        answers = await asyncio.gather(*polls)
        account = await one.get("/api/user")

    found = statuses(answers)
    assert found.keys() == {404, 429}
    assert 25 <= found[404] <= 45
    assert account.status_code == 200


@pytest.mark.parametrize(
    ("forwarded", "is_same"),
    [
        ("1.2.3.4, {address}", True),
        ("10.0.0.1, {address}, 127.0.0.9", True),
        ("{address}, 127.0.0.2, 127.0.0.3", True),
        ("{network}:ffff:1:2:3", True),
        ("{address}, 1.2.3.4", False),
    ],
)
async def test_trusted_proxies_determine_the_address(
    two: tuple[Harness, Harness], forwarded: str, *, is_same: bool
) -> None:
    address = new_address()
    network = ":".join(address.split(":")[:4])
    first = await requests(two, address, 10)

    over = await requests(two, forwarded.format(address=address, network=network), 1)

    assert statuses(first) == {401: 10}
    assert (over[0].status_code == 429) == is_same


async def test_a_forged_header_changes_nothing(stack: Stack) -> None:
    """There are no trusted proxies here, so all clients of the tests have one address."""
    async with gateway_on(settings_of(stack)) as gateway, gateway.client() as client:
        answers = [
            await client.get(
                "/api/user", headers={"X-Forwarded-For": new_address(), "Forwarded": "for=1.2.3.4"}
            )
            for _ in range(3)
        ]

    left = [int(re.findall(r"r=(\d+)", each.headers["ratelimit"])[0]) for each in answers]
    assert left == [left[0], left[0] - 1, left[0] - 2]


async def test_over_the_limit_unknown_paths_are_refused_too(
    two: tuple[Harness, Harness],
) -> None:
    address = new_address()
    await requests(two, address, 10)

    async with two[0].client(**{"X-Forwarded-For": address}) as client:
        unknown, preflight = await client.get("/api/nothing"), await preflight_of(client)
        without_token = await client.get("/api/user")

    assert (unknown.status_code, unknown.json()["code"]) == (429, "too_many_requests")
    assert preflight.status_code == 200
    assert without_token.status_code == 401


async def preflight_of(client: httpx2.AsyncClient) -> httpx2.Response:
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    return await client.options("/api/auth/login", headers=headers)


async def test_requests_stay_limited_without_the_broker_and_are_shared_again_after(
    stores: Stores,
) -> None:
    """There are no services. An unknown path is counted and needs none."""
    async with (
        gateway_on(settings_without_services(**LIMIT), wait_for_services=False) as one,
        gateway_on(settings_without_services(**LIMIT), wait_for_services=False) as other,
        bus.connection(stores.nats_url("gateway"), "one", Readiness()) as first,
        bus.connection(stores.nats_url("gateway"), "other", Readiness()) as second,
    ):
        await one.backend.limits.use_broker(first)
        await other.backend.limits.use_broker(second)
        together = await requests([one, other], new_address(), 30, UNKNOWN)

        await stores.supervisor.kill("nats")
        apart = await requests([one, other], new_address(), 30, UNKNOWN)
        await stores.supervisor.restart("nats")
        again = await counted_together([one, other])

    assert statuses(together) == {404: 10, 429: 20}
    assert statuses(apart) == {404: 10, 429: 20}
    assert again == {404: 10, 429: 20}


async def counted_together(gateways: Sequence[Harness]) -> dict[int, int]:
    """Wait until the broker counts again. Return the statuses of 30 logins."""
    deadline = time.monotonic() + 20
    while not all(gateway.backend.limits.counts_at_broker for gateway in gateways):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await requests(gateways, new_address(), 2)
    return statuses(await requests(gateways, new_address(), 30, UNKNOWN))
