"""Pages of other sites can do nothing with the console's cookie."""

from collections.abc import AsyncGenerator

import pytest

from tests.contract.operations import OPERATIONS, Operation
from tests.gateway.console import Browser, signed_in
from tests.gateway.harness import PASSWORD, Harness, People, Person

FOREIGN = {"Origin": "https://evil.example.com"}
UNSAFE = [one for one in OPERATIONS if one.method != "GET" and one.needs_token]


@pytest.fixture(scope="session")
async def person(people: People) -> Person:
    return await people.new("enterprise")


@pytest.fixture(scope="session")
async def browser(gateway: Harness, person: Person) -> AsyncGenerator[Browser]:
    async with signed_in(gateway, person) as found:
        yield found


def without(browser: Browser, *names: str) -> dict[str, str]:
    """Return the cookie and the console's headers without these."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Cookie": cookie, "Origin": browser.headers["origin"], "X-Loupe-Console": "1"}
    return {name: value for name, value in headers.items() if name not in names}


@pytest.mark.parametrize("operation", UNSAFE, ids=[one.name for one in UNSAFE])
@pytest.mark.parametrize("missing", ["Origin", "X-Loupe-Console"])
async def test_every_unsafe_method_needs_origin_and_header(
    gateway: Harness, browser: Browser, operation: Operation, missing: str
) -> None:
    async with gateway.client() as client:
        headers = without(browser, missing)
        answer = await client.request(operation.method, operation.at(), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("operation", OPERATIONS, ids=[one.name for one in OPERATIONS])
async def test_with_a_foreign_origin_the_cookie_is_ignored(
    gateway: Harness, browser: Browser, operation: Operation
) -> None:
    async with gateway.client() as client:
        headers = without(browser, "Origin") | FOREIGN
        answer = await client.request(operation.method, operation.at(), headers=headers)

    assert "access-control-allow-credentials" not in answer.headers
    if operation.needs_token:
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("origin", ["null", "http://127.0.0.1", "http://127.0.0.1:1", "https://127.0.0.1"])
async def test_another_port_or_scheme_of_this_host_is_foreign(
    gateway: Harness, browser: Browser, origin: str
) -> None:
    async with gateway.client() as client:
        answer = await client.get("/api/user", headers=without(browser, "Origin") | {"Origin": origin})

    assert answer.status_code == 401


@pytest.mark.parametrize("change", [FOREIGN, {"Origin": ""}, {"X-Loupe-Console": ""}])
async def test_another_site_signs_nobody_in_or_out(
    gateway: Harness, browser: Browser, person: Person, change: dict[str, str]
) -> None:
    body = {"email": person.email, "password": PASSWORD}
    async with gateway.client() as client:
        headers = without(browser) | change
        signing_in = await client.post("/console/session", json=body, headers=headers)
        signing_out = await client.delete("/console/session", headers=headers)

    assert (signing_in.status_code, signing_in.json()["code"]) == (403, "foreign_page")
    assert (signing_out.status_code, signing_out.json()["code"]) == (403, "foreign_page")
    assert "set-cookie" not in signing_in.headers
    assert "access-control-allow-origin" not in signing_in.headers
    assert await browser.is_signed_in()


async def test_a_bearer_header_wins_over_the_cookie(
    gateway: Harness, browser: Browser, people: People
) -> None:
    other = await people.new()
    async with gateway.client() as client:
        by_token = await client.get(
            "/api/user", headers=without(browser) | {"Authorization": f"Bearer {other.token}"}
        )
        by_nothing = await client.get("/api/user", headers=without(browser) | {"Authorization": "Bearer 1|x"})

    assert by_token.json()["data"]["id"] == other.id
    assert by_nothing.status_code == 401


async def test_the_text_of_the_cookie_is_no_bearer_token(gateway: Harness, browser: Browser) -> None:
    [text] = browser.cookies.values()
    assert await browser.is_signed_in()

    async with gateway.client(text) as client:
        answer = await client.get("/api/user")

    assert answer.status_code == 401


async def test_a_bearer_token_is_no_session(gateway: Harness, person: Person) -> None:
    async with Browser(gateway.url) as client:
        client.cookies.set("loupe_session", person.token)

        assert not await client.is_signed_in()
