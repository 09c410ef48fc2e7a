"""The console's cookie: how it is set, what ends the session behind it, and what it counts as."""

import asyncio

import pytest

from loupe_local.stack import Stack
from tests.contract.api_client import SMALL
from tests.gateway.console import Browser, signed_in
from tests.gateway.event_streams import event_stream
from tests.gateway.harness import PASSWORD, Harness, People, gateway_on, requests_left, settings_of, spend


async def test_a_sign_in_answers_the_user_and_sets_a_cookie(gateway: Harness, people: People) -> None:
    person = await people.new()

    async with Browser(gateway.url) as browser:
        answer = await browser.sign_in(person)
        who = await browser.get("/api/user")

    assert answer.json()["data"]["id"] == person.id
    assert answer.headers["cache-control"] == "no-store"
    assert who.json()["data"]["email"] == person.email
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("loupe_session=")
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "domain" not in cookie


async def test_behind_https_the_cookie_is_secure_and_of_this_host_alone(stack: Stack, people: People) -> None:
    person, public = await people.new(), "https://loupe.example.com"
    settings = settings_of(stack, public_url=public, principal_seconds=0.0)

    async with gateway_on(settings) as gateway, Browser(gateway.url) as browser:
        body = {"email": person.email, "password": PASSWORD}
        answer = await browser.post("/console/session", json=body, headers={"Origin": public})
        name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
        who = await browser.get("/api/user", headers={"Cookie": f"{name}={value}", "Origin": public})

    assert name == "__Host-loupe_session"
    assert "; Secure" in answer.headers["set-cookie"]
    assert who.status_code == 200


async def test_plain_http_at_another_machine_is_refused_with_a_reason(stack: Stack, people: People) -> None:
    person, public = await people.new(), "http://loupe.example.com"

    async with gateway_on(settings_of(stack, public_url=public)) as gateway, Browser(gateway.url) as browser:
        body = {"email": person.email, "password": PASSWORD}
        answer = await browser.post("/console/session", json=body, headers={"Origin": public})

    assert (answer.status_code, answer.json()["code"]) == (400, "https_required")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("password", "is_verified", "status", "code"),
    [("Wrong-horse-1", True, 401, "invalid_credentials"), (PASSWORD, False, 403, "email_unverified")],
)
async def test_a_refused_sign_in_sets_no_cookie(
    gateway: Harness, people: People, *, password: str, is_verified: bool, status: int, code: str
) -> None:
    person = await people.new(verified=is_verified)

    async with Browser(gateway.url) as browser:
        answer = await browser.sign_in(person, password)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "set-cookie" not in answer.headers


async def test_a_new_sign_in_ends_the_session_that_the_browser_had(gateway: Harness, people: People) -> None:
    person = await people.new()
    async with signed_in(gateway, person) as browser, Browser(gateway.url) as thief:
        thief.cookies.update(browser.cookies)
        assert await thief.is_signed_in()

        await browser.sign_in(person)

        assert await browser.is_signed_in()
        assert not await thief.is_signed_in()


async def test_signing_out_ends_the_session_and_takes_the_cookie(gateway: Harness, people: People) -> None:
    async with signed_in(gateway, await people.new()) as browser, Browser(gateway.url) as second_tab:
        second_tab.cookies.update(browser.cookies)

        answer = await browser.delete("/console/session")

        assert answer.status_code == 200
        assert not browser.cookies
        assert not await second_tab.is_signed_in()


async def test_sessions_of_two_browsers_end_apart(gateway: Harness, people: People) -> None:
    person = await people.new()
    async with signed_in(gateway, person) as one, signed_in(gateway, person) as other:
        await one.delete("/console/session")

        assert await other.is_signed_in()


async def test_revoking_all_tokens_ends_the_session(gateway: Harness, people: People) -> None:
    person = await people.new()
    async with signed_in(gateway, person) as browser, gateway.client(person.token) as client:
        await client.post("/api/auth/revoke-all")

        assert not await browser.is_signed_in()


async def test_a_new_password_leaves_only_the_session_that_set_it(gateway: Harness, people: People) -> None:
    person = await people.new()
    async with signed_in(gateway, person) as browser, signed_in(gateway, person) as other:
        new = {"password": "Another-horse-1", "password_confirmation": "Another-horse-1"}
        answer = await browser.put("/api/user/password", json={"current_password": PASSWORD} | new)

        assert answer.status_code == 200, answer.text
        assert await browser.is_signed_in()
        assert not await other.is_signed_in()


async def test_an_expired_session_is_refused(gateway: Harness, people: People) -> None:
    person = await people.new()
    async with signed_in(gateway, person) as browser:
        statement = "UPDATE token SET expires_at = now() WHERE user_id = %s AND console_ends_at IS NOT NULL"
        await people.execute_sql("auth", statement, person.id)

        answer = await browser.get("/api/user")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_the_session_is_not_among_the_tokens(gateway: Harness, people: People) -> None:
    person = await people.new()
    async with signed_in(gateway, person) as browser:
        listed = (await browser.get("/api/user/tokens")).json()["data"]

    assert [str(token["id"]) for token in listed["tokens"]] == [person.token.partition("|")[0]]


async def test_the_console_uses_the_images_of_a_plan_without_api_access(
    gateway: Harness, people: People
) -> None:
    person = await people.new()
    async with signed_in(gateway, person) as browser, gateway.client(person.token) as client:
        by_api = await client.post("/api/images/upscale", files={"image": ("a.png", SMALL)})
        by_console = await browser.post("/api/images/upscale", files={"image": ("a.png", SMALL)})
        image = (await browser.get(f"/api/images/{by_console.json()['data']['id']}")).json()["data"]

    assert by_api.json()["code"] == "no_api_access"
    assert by_console.status_code == 202, by_console.text
    assert image["api_request"] is False


async def test_requests_of_the_console_have_a_limit_of_their_own(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person = await people.new()
    await spend(stack, f"user-{person.id}", 100)

    async with signed_in(gateway, person) as browser, gateway.client(person.token) as client:
        by_token, by_console = await client.get("/api/user"), await browser.get("/api/user")

    assert by_token.status_code == 429
    assert by_console.status_code == 200
    assert by_console.headers["ratelimit-policy"].startswith('"hour";q=1000;')
    assert requests_left(by_console.headers["ratelimit"]) < 1000


async def test_the_event_stream_works_by_cookie_and_ends_with_the_session(
    gateway: Harness, people: People
) -> None:
    person = await people.new("professional")
    async with signed_in(gateway, person) as browser, Browser(gateway.url) as tab:
        tab.cookies.update(browser.cookies)
        del tab.headers["X-Loupe-Console"], tab.headers["Origin"]  # as a native EventSource
        async with event_stream(tab) as stream:
            await browser.post("/api/images/upscale", files={"image": ("a.png", SMALL)})
            accepted = await stream.until("image.accepted")

            await browser.delete("/console/session")
            async with asyncio.timeout(30):
                while await stream.next():
                    pass

    assert accepted.data["data"]["api_request"] is False
