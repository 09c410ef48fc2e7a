"""The user of a token is remembered, and forgotten at once after a change."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable

import httpx2
import pytest

from common import bus
from common.metrics import Readiness
from loupe.auth.v1 import auth_pb2 as pb
from loupe_local.stack import Stack
from tests.gateway.harness import Harness, People, gateway_on, new_address, settings_of
from tests.polling import until

NO_ABILITIES = "UPDATE token SET abilities = '{}' WHERE user_id = %s"


@pytest.fixture(scope="module")
async def other(stack: Stack) -> AsyncGenerator[Harness]:
    """A second gateway, which remembers a token for an hour unless an event revokes it."""
    async with gateway_on(settings_of(stack, principal_seconds=3600.0)) as running:
        yield running


async def soon(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> bool:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)
    return True


def answers(client: httpx2.AsyncClient, path: str, status: int) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return (await client.get(path)).status_code == status

    return condition


@pytest.mark.parametrize("way", ["logout", "revoke-all"])
async def test_a_token_revoked_at_one_gateway_is_refused_at_another(
    stack: Stack, other: Harness, people: People, way: str
) -> None:
    person = await people.new("starter")
    async with other.client(person.token) as there, httpx2.AsyncClient(base_url=stack.api) as here:
        known = await there.get("/api/user")

        await here.post(f"/api/auth/{way}", headers={"Authorization": f"Bearer {person.token}"})

        assert known.status_code == 200
        assert await soon(answers(there, "/api/user", 401))
        assert (await there.get("/api/user")).status_code == 401


async def test_a_logout_takes_effect_before_it_is_answered(other: Harness, people: People) -> None:
    person = await people.new("starter")

    async with other.client(person.token) as client:
        before = await client.get("/api/user")
        await client.post("/api/auth/logout")
        after = await client.get("/api/user")

    assert (before.status_code, after.status_code) == (200, 401)


async def test_a_new_plan_takes_effect(other: Harness, people: People) -> None:
    person = await people.new("starter")
    async with other.client(person.token) as client:

        async def is_on(slug: str) -> bool:
            return (await client.get("/api/user")).json()["data"]["pricing_plan"]["slug"] == slug

        assert await is_on("starter")

        await people.set_plan(person, "enterprise")

        assert await soon(lambda: is_on("enterprise"))


async def test_a_verified_address_takes_effect(other: Harness, people: People) -> None:
    person = await people.new("enterprise", verified=False)
    async with other.client(person.token) as client:
        assert (await client.get("/api/usage")).status_code == 403

        await people.verify(person)

        assert await soon(answers(client, "/api/usage", 200))


async def test_a_change_without_an_event_takes_effect_with_the_entrys_age(
    stack: Stack, gateway: Harness, other: Harness, people: People
) -> None:
    person = await people.new("starter")
    async with gateway.client(person.token) as without_memory, other.client(person.token) as with_memory:
        before = [(await client.get("/api/images")).status_code for client in (without_memory, with_memory)]

        await people.execute_sql("auth", NO_ABILITIES, person.id)

        after = [(await client.get("/api/images")).status_code for client in (without_memory, with_memory)]
    assert before == [200, 200]
    assert after[0] == 403
    assert after[1] == 200


async def test_an_event_that_a_stream_republished_forgets_nobody(
    stack: Stack, other: Harness, people: People
) -> None:
    forged, genuine = await people.new("starter"), await people.new("starter")
    async with other.client(forged.token) as one, other.client(genuine.token) as two:
        await one.get("/api/user")
        await two.get("/api/user")
        async with bus.connection(stack.stores.nats_url("operator"), "tests", Readiness()) as nc:
            for person, headers in ((forged, {"Nats-Stream": "OUTBOUND"}), (genuine, {})):
                event = pb.UserChanged(user_id=person.id).SerializeToString()
                await nc.publish("auth.user_changed", event, headers=headers)

        await until(lambda: genuine.id not in fresh_users(other))

        assert forged.id in fresh_users(other)


async def test_an_event_forgets_only_its_own_user(other: Harness, people: People) -> None:
    first, second = await people.new("starter"), await people.new("starter")
    async with other.client(first.token) as one, other.client(second.token) as two:
        await one.get("/api/user")
        await two.get("/api/user")
        known = fresh_users(other)

        other.backend.callers.forget(first.id)

        left = fresh_users(other)
    assert {first.id, second.id} <= known
    assert known - left == {first.id}


def fresh_users(gateway: Harness) -> set[int]:
    known = gateway.backend.callers._known.values()
    return {caller.user.id for caller in known if caller.checked_at > 0}


async def test_each_caller_calls_services_in_its_own_name(gateway: Harness, people: People) -> None:
    first, second = await people.new("starter"), await people.new("starter")
    callers = [await gateway.backend.callers.find_by_token(person.token) for person in (first, second)]

    responses = await asyncio.gather(*(caller.auth.ListTokens(pb.ListTokensRequest()) for caller in callers))

    ids = [[token.id for token in response.tokens] for response in responses]
    assert ids == [[caller.token_id] for caller in callers]


async def test_guessing_does_not_reach_auth_and_known_tokens_stay_valid(stack: Stack, people: People) -> None:
    """The limit is five. A token that was refused is not checked again, and does not count again."""
    settings = settings_of(
        stack, principal_seconds=0.0, unauthenticated_requests_per_hour=5, trusted_proxies="127.0.0.0/8"
    )
    known, new = await people.new("starter"), await people.new("starter")
    async with gateway_on(settings) as guessed, httpx2.AsyncClient(base_url=guessed.url) as client:

        async def status(token: str, address: str) -> int:
            headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}
            return (await client.get("/api/user", headers=headers)).status_code

        here, elsewhere = new_address(), new_address()
        first = await status(known.token, here)
        before = await authentications(stack)
        revoked = [await status("1|revoked", here) for _ in range(20)]
        guesses = [await status(f"{number}|guess", here) for number in range(20)]
        checked = await authentications(stack) - before
        after = [await status(token, here) for token in (known.token, new.token)]
        after.append(await status(new.token, elsewhere))

    assert set(revoked) == {401}
    assert guesses == [401] * 4 + [429] * 16
    assert checked == 5
    assert (first, after) == (200, [200, 429, 200])


async def authentications(stack: Stack) -> int:
    """Return how many tokens auth has checked."""
    async with httpx2.AsyncClient() as client:
        text = (await client.get(stack.services.metrics["auth"])).raise_for_status().text
    counts = re.findall(r'^loupe_rpc_server_seconds_count\{.*Authenticate".*\} (\S+)', text, re.MULTILINE)
    return int(sum(float(count) for count in counts))
