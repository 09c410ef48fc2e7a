"""Guessing a password over REST becomes slow, and locks the user out of nowhere."""

from collections.abc import AsyncGenerator

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import PASSWORD, Harness, People, Person, gateway_on, new_address, settings_of
from tests.gateway.mails import RESET, link_to

NEW = {"password": "Better-Horse-2", "password_confirmation": "Better-Horse-2"}


@pytest.fixture(scope="module")
async def behind_proxy(stack: Stack) -> AsyncGenerator[Harness]:
    """A gateway that learns the client's address from a proxy on this machine."""
    async with gateway_on(settings_of(stack, trusted_proxies="127.0.0.1/32")) as running:
        yield running


async def login(gateway: Harness, person: Person, address: str, password: str = PASSWORD) -> httpx2.Response:
    async with gateway.client(**{"X-Forwarded-For": address}) as client:
        return await client.post("/api/auth/login", json={"email": person.email, "password": password})


async def guess(gateway: Harness, person: Person) -> list[int]:
    """Send wrong passwords, each from another address."""
    return [(await login(gateway, person, new_address(), "Wrong-Horse-1")).status_code for _ in range(12)]


async def test_strangers_slow_only_strangers_down(behind_proxy: Harness, people: People) -> None:
    person, home = await people.new(), new_address()
    await login(behind_proxy, person, home)

    guesses = await guess(behind_proxy, person)
    from_home = await login(behind_proxy, person, home)
    from_abroad = await login(behind_proxy, person, new_address())

    assert guesses[:10] == [401] * 10
    assert 429 in guesses
    assert from_home.status_code == 200
    assert (from_abroad.status_code, from_abroad.json()["code"]) == (429, "too_many_requests")
    assert int(from_abroad.headers["retry-after"]) > 0


async def test_a_user_at_a_new_address_gets_in_by_a_new_password(
    stack: Stack, behind_proxy: Harness, people: People
) -> None:
    person, abroad = await people.new(), new_address()
    await people.execute_sql("auth", "UPDATE user_account SET last_mail_at = NULL WHERE id = %s", person.id)
    await guess(behind_proxy, person)

    async with behind_proxy.client(**{"X-Forwarded-For": abroad}) as client:
        await client.post("/api/auth/forgot-password", json={"email": person.email})
        token = (await link_to(stack, person.email, RESET))[1]
        reset = await client.post("/api/auth/reset-password", json={"token": token, **NEW})
    admitted = await login(behind_proxy, person, abroad, NEW["password"])

    assert (reset.status_code, admitted.status_code) == (200, 200)


async def test_an_unknown_address_is_slowed_down_like_a_known_one(
    behind_proxy: Harness, people: People
) -> None:
    person = await people.new()
    nobody = Person(0, f"nobody.{person.email}", "")

    assert await guess(behind_proxy, nobody) == await guess(behind_proxy, person)
