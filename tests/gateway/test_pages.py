"""The pages for people: the start page, and what a link in a mail opens."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import Harness, People, gateway_on, settings_of, settings_without_services
from tests.gateway.mails import VERIFY, link_to

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PAGES = ["/", "/reset-password", "/restore-address", "/verify-email/nonsense"]


@pytest.fixture
async def browser(gateway: Harness) -> AsyncGenerator[httpx2.AsyncClient]:
    async with gateway.client(Accept=BROWSER) as client:
        yield client


@pytest.mark.parametrize("accept", ["*/*", BROWSER, "application/json", ""])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_start_page_answers_without_a_token_a_redirect_or_a_limit(method: str, accept: str) -> None:
    async with (
        gateway_on(settings_without_services(), wait_for_services=False) as gateway,
        gateway.client(Accept=accept) as client,
    ):
        answer = await client.request(method, "/")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "ratelimit" not in answer.headers
    if method == "GET":
        assert re.findall(r'href="(?!data:)(.*?)"', answer.text) == ["console", "docs", "openapi.json"]
    assert bool(answer.content) is (method == "GET")


async def test_the_start_pages_links_work(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/")

    for link in re.findall(r'href="(?!data:|console)(.*?)"', page.text):
        assert (await browser.get(f"/{link}")).status_code == 200


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_nothing_and_runs_only_its_own_script(
    browser: httpx2.AsyncClient, path: str
) -> None:
    answer = await browser.get(path)

    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert ("<script>" in answer.text) is ("script-src 'sha256-" in policy)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)
    assert "color-scheme: light dark" in answer.text
    assert "{{" not in answer.text


async def test_a_verification_link_shows_a_page_to_a_person(
    gateway: Harness, stack: Stack, people: People, browser: httpx2.AsyncClient
) -> None:
    person = await people.new(verified=False)
    link = re.sub(r"^https?://[^/]+", "", (await link_to(stack, person.email, VERIFY))[0])

    first, again = [await browser.get(link) for _ in range(2)]

    assert [answer.status_code for answer in (first, again)] == [200, 200]
    assert "<h1>Your email address is verified</h1>" in first.text
    assert again.text == first.text
    async with gateway.client(person.token) as client:
        assert (await client.get("/api/user")).json()["data"]["email_verified_at"]


@pytest.mark.parametrize("has_console", [True, False])
async def test_the_page_for_a_new_password_leads_to_the_console_where_there_is_one(
    stack: Stack, tmp_path: Path, has_console: bool
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "index.html").write_text("the console")
    settings = settings_of(stack, console_folder=tmp_path if has_console else tmp_path / "none")

    async with gateway_on(settings) as gateway, gateway.client(Accept=BROWSER) as client:
        answer = await client.get("/reset-password")

    assert ('<a href="/console" >' in answer.text) is has_console
    assert ('<a href="/console" hidden>' in answer.text) is not has_console


async def test_a_link_that_does_not_work_offers_a_new_one(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/verify-email/<script>")

    assert answer.status_code == 403
    assert "This link is invalid or has expired." in answer.text
    assert '"/api/email/verification-notification"' in answer.text
    assert 'type="email"' in answer.text


async def test_a_failure_of_ours_is_a_page_too() -> None:
    settings = settings_without_services()
    async with (
        gateway_on(settings, wait_for_services=False) as gateway,
        gateway.client(Accept=BROWSER) as client,
    ):
        answer = await client.get("/verify-email/nonsense")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "Please open the link in your mail again later." in answer.text


@pytest.mark.parametrize("path", ["/verify-email/", "/api/email/verify/"])
async def test_looking_at_a_link_with_head_verifies_nothing(
    gateway: Harness, stack: Stack, people: People, path: str
) -> None:
    person = await people.new(verified=False)
    signed = (await link_to(stack, person.email, VERIFY))[1]

    async with gateway.client(person.token) as client:
        looked = await client.head(f"{path}{signed}")
        before = (await client.get("/api/user")).json()["data"]["email_verified_at"]
        await client.get(f"{path}{signed}")
        after = (await client.get("/api/user")).json()["data"]["email_verified_at"]

    assert (looked.status_code, before) == (200, None)
    assert after


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "*/*", "application/json"])
async def test_the_api_verifies_an_address_and_answers_json_to_everybody(
    gateway: Harness, stack: Stack, people: People, accept: str
) -> None:
    person = await people.new(verified=False)
    signed = (await link_to(stack, person.email, VERIFY))[1]

    async with gateway.client(Accept=accept) as client:
        answer = await client.get(f"/api/email/verify/{signed}")

    assert answer.json() == {"success": True, "message": "Email verified successfully"}
    async with gateway.client(person.token) as client:
        assert (await client.get("/api/user")).json()["data"]["email_verified_at"]
