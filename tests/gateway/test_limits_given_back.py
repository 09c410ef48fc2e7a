"""A request that we could not serve for a reason of ours does not use up the hourly limit."""

from collections.abc import AsyncGenerator

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
    requests_left,
    settings_of,
    settings_without_services,
    spend,
)

LIMIT = {"unauthenticated_requests_per_hour": 10, "trusted_proxies": "127.0.0.0/8", "replicas": 2}


@pytest.fixture(scope="module")
async def without_images(stack: Stack) -> AsyncGenerator[tuple[Harness, Harness]]:
    """Two gateways that reach auth and billing, but not images."""
    supervisor = stack.stores.supervisor
    async with gateway_on(settings_of(stack)) as one, gateway_on(settings_of(stack)) as other:
        await supervisor.stop("images")
        yield one, other
        await supervisor.restart("images")


def left(answer: httpx2.Response) -> int:
    return requests_left(answer.headers["ratelimit"])


async def test_503_gives_a_users_request_back_over_all_gateways(
    stack: Stack, without_images: tuple[Harness, Harness], people: People
) -> None:
    person = await people.new("starter")
    await spend(stack, f"user-{person.id}", 499)

    answers: list[httpx2.Response] = []
    for gateway in without_images * 3:
        async with gateway.client(person.token) as client:
            answers.append(await client.get("/api/images"))
            answers.append(await client.post("/api/images/upscale", files={"image": b"GIF89a"}))
    async with without_images[0].client(person.token) as client:
        last, over = await client.get("/api/user"), await client.get("/api/user")

    assert {(answer.status_code, left(answer)) for answer in answers} == {(503, 1)}
    assert (last.status_code, left(last)) == (200, 0)
    assert (over.status_code, left(over)) == (429, 0)


async def test_503_gives_a_poll_back(
    stack: Stack, without_images: tuple[Harness, Harness], people: People
) -> None:
    person = await people.new("starter")
    await spend(stack, f"poll-{person.id}", 4990)

    async with without_images[0].client(person.token) as client:
        answers = [await client.get("/api/images/1") for _ in range(15)]

    assert {(answer.status_code, left(answer)) for answer in answers} == {(503, 10)}


async def test_503_gives_an_addresss_request_back_with_and_without_the_broker(stores: Stores) -> None:
    settings = settings_without_services(**LIMIT)
    async with (
        gateway_on(settings, wait_for_services=False) as one,
        gateway_on(settings, wait_for_services=False) as other,
        bus.connection(stores.nats_url("gateway"), "one", Readiness()) as first,
        bus.connection(stores.nats_url("gateway"), "other", Readiness()) as second,
    ):
        header = {"X-Forwarded-For": new_address()}
        async with one.client(**header) as client, other.client(**header) as another:
            apart = [await client.post("/api/auth/login") for _ in range(12)]
            await one.backend.limits.use_broker(first)
            await other.backend.limits.use_broker(second)
            together = [await each.post("/api/auth/login") for each in (client, another) * 6]
            unknown = [await each.get("/api/nothing") for each in (client, another) * 5]
            over = await client.get("/api/nothing")

    assert {(answer.status_code, left(answer)) for answer in apart} == {(503, 5)}
    assert {(answer.status_code, left(answer)) for answer in together} == {(503, 10)}
    assert [(answer.status_code, left(answer)) for answer in unknown] == [(404, n) for n in range(9, -1, -1)]
    assert over.status_code == 429


async def test_refusals_that_are_the_clients_fault_stay_counted(
    without_images: tuple[Harness, Harness], people: People
) -> None:
    person = await people.new("starter")

    async with without_images[0].client(person.token) as client:
        missing, invalid = await client.get("/api/nothing"), await client.put("/api/user")

    assert [(answer.status_code, left(answer)) for answer in (missing, invalid)] == [(404, 499), (405, 498)]
