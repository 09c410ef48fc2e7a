"""`loupe-admin user` and `loupe-admin quota`: lists, pages, and users that an operator creates."""

import re
import uuid
from datetime import UTC, datetime

import httpx2
import pytest
from PIL import Image
from pyotp.totp import TOTP

from loupe_local.stack import Stack
from tests.client import client_of, upscale, wait_for_status
from tests.gateway.harness import PASSWORD, People
from tests.gateway.loupe_admin import result_of, run
from tests.pixels import encoded

PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))


def new_email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


def facts(page: str) -> dict[str, str]:
    """Return the values of a page by their labels."""
    return dict(re.split(" {2,}", line, maxsplit=1) for line in page.splitlines())


async def log_in(stack: Stack, email: str, password: str) -> int:
    async with httpx2.AsyncClient(base_url=stack.api, timeout=20) as client:
        return (await client.post("/api/auth/login", json={"email": email, "password": password})).status_code


async def test_an_added_user_logs_in_with_the_password_that_is_printed_once(stack: Stack) -> None:
    email = new_email()

    status, output = await run(stack, "user", "add", email, "--plan", "professional")

    password = re.search("^Password: (.*)$", output, re.MULTILINE)
    assert status == 0
    assert password
    assert await log_in(stack, email, password[1]) == 200
    _, page = await run(stack, "user", "show", email)
    assert password[1] not in page
    assert facts(page) | {
        "email": email,
        "name": email.partition("@")[0],
        "plan": "professional",
        "limit": "250 (the quota of professional)",
        "used": "0",
        "tokens": "1",
    } == facts(page)


async def test_a_page_of_a_user_shows_second_factor_and_pending_address(stack: Stack) -> None:
    email, address = new_email(), new_email()
    await run(stack, "user", "add", email, "--password-stdin", stdin=PASSWORD.encode())
    _, before = await run(stack, "user", "show", email)
    async with httpx2.AsyncClient(base_url=stack.api, timeout=20) as client:
        session = await client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {session.json()['data']['token']}"
        secret = (await client.post("/api/user/second-factor")).json()["data"]["secret"]
        await client.post("/api/user/second-factor/confirm", json={"otp": TOTP(secret).now()})
        await client.patch("/api/user", json={"email": address})

    _, after = await run(stack, "user", "show", email)
    status, _ = await run(stack, "user", "reset-second-factor", email, "--no-notice")
    _, reset = await run(stack, "user", "show", email)

    shown = [
        (facts(page)["pending address"], facts(page)["second factor"]) for page in (before, after, reset)
    ]
    assert shown == [("-", "no"), (address, "yes"), (address, "no")]
    assert status == 0
    assert facts(after)["verified"].endswith(" UTC")


async def test_an_added_user_can_have_a_given_password_and_no_quota(stack: Stack) -> None:
    email = new_email()
    options = ("--name", "Jané Smith", "--plan", "starter", "--unlimited", "--password-stdin", "--json")

    status, output = await run(stack, "user", "add", email, *options, stdin=f"{PASSWORD}\r\n".encode())

    shown = await result_of(stack, "user", "show", email)
    assert status == 0, output
    assert PASSWORD not in output
    assert await log_in(stack, email, PASSWORD) == 200
    assert shown["user"]["name"] == "Jané Smith"
    assert (shown["usage"]["limit"], shown["remaining"], shown["has_custom_quota"]) == (None, None, True)


@pytest.mark.parametrize(
    ("options", "stdin", "expected"),
    [
        (["--password-stdin"], b"short", (1, "The password must be at least 8 characters.")),
        (["--password-stdin"], b"\xff\xfe\n", (1, "not UTF-8")),
        (["--plan", "gold"], b"", (1, "the plans are free, starter, professional, enterprise")),
        (["--plan", "free", "--unlimited"], b"", (1, "cannot be unlimited")),
        (["--name", " "], b"", (1, "The name field is required.")),
        (["--unlimited"], b"", (2, "--unlimited needs a plan")),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_user_that_is_refused_is_not_created(
    stack: Stack, options: list[str], stdin: bytes, expected: tuple[int, str]
) -> None:
    email = new_email()

    status, output = await run(stack, "user", "add", email, *options, stdin=stdin)

    assert (status, output.count("\n")) == (expected[0], 0)
    assert expected[1] in output
    assert (await result_of(stack, "user", "list", "--search", email)) == {"users": []}


async def test_an_address_that_is_taken_or_invalid_is_refused(stack: Stack, people: People) -> None:
    person = await people.new()

    taken = await run(stack, "user", "add", person.email.upper())
    invalid = await run(stack, "user", "add", "jane")

    assert taken == (1, "loupe-admin: The email has already been taken.")
    assert invalid == (1, "loupe-admin: The email must be a valid email address.")


async def test_users_are_listed_searched_and_limited(stack: Stack, people: People) -> None:
    verified, unverified = await people.new("starter"), await people.new(verified=False)

    everyone = (await result_of(stack, "user", "list"))["users"]
    first = (await result_of(stack, "user", "list", "--limit", "1"))["users"]
    waiting = (await result_of(stack, "user", "list", "--unverified"))["users"]
    _, table = await run(stack, "user", "list", "--search", verified.email)

    found = {user["email"]: user for user in everyone}
    assert found[verified.email]["plan"] == "starter"
    assert (found[verified.email]["used"], found[verified.email]["limit"]) == (0, 25)
    assert first == everyone[:1]
    emails = [user["email"] for user in waiting]
    assert unverified.email in emails
    assert verified.email not in emails
    headings, row = table.splitlines()
    assert re.split(" {2,}", headings.strip()) == [
        *("ID", "EMAIL", "NAME", "PLAN", "VERIFIED", "CREATED (UTC)", "USED", "QUOTA")
    ]
    assert row.split()[0] == str(verified.id)
    assert len(row) == len(headings) + max(0, len(str(verified.id)) - len("ID"))


async def test_an_empty_list_says_so(stack: Stack, people: People) -> None:
    person = await people.new()

    assert await run(stack, "user", "list", "--search", new_email()) == (0, "No users.")
    month = f"No entries in {datetime.now(UTC):%Y-%m}."
    assert await run(stack, "quota", "ledger", person.email) == (0, month)
    assert await run(stack, "quota", "ledger", person.email, "--month", "2020-02") == (
        0,
        "No entries in 2020-02.",
    )


async def test_the_quota_of_a_user_is_a_page_and_its_ledger_a_table(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        image_id = (await upscale(client, PHOTO)).json()["data"]["id"]
        await wait_for_status(client, image_id, "completed")

    _, page = await run(stack, "quota", "show", person.email)
    _, table = await run(stack, "quota", "ledger", person.email)

    assert facts(page)["email"] == person.email
    assert (facts(page)["used"], facts(page)["remaining"]) == ("1", "24")
    assert facts(page)["resets"].endswith("-01 00:00:00 UTC")
    headings, first, *_ = table.splitlines()
    assert re.split(" {2,}", headings) == ["TIME (UTC)", "CHANGE", "REASON", "RESERVATION"]
    assert first.split()[2:4] == ["+1", "reserved"]


async def test_a_user_can_be_unlimited(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    status, output = await run(stack, "quota", "set", person.email, "unlimited")
    async with client_of(stack, person.token) as client:
        usage = (await client.get("/api/usage")).json()["data"]["image_uploads"]
    _, page = await run(stack, "quota", "show", person.email)

    assert (status, output) == (0, f"{person.email} has no monthly quota.")
    assert usage["limit"] is None
    assert facts(page)["limit"] == "unlimited (a custom quota)"
    assert facts(page)["remaining"] == "unlimited"


async def test_a_quota_that_cannot_be_set_is_refused_in_one_sentence(stack: Stack, people: People) -> None:
    free, paying = await people.new(), await people.new("starter")

    negative = await run(stack, "quota", "set", paying.email, "-5")
    huge = await run(stack, "quota", "set", paying.email, "9" * 30)
    without_plan = await run(stack, "quota", "set", free.email, "5")
    month = await run(stack, "quota", "show", paying.email, "--month", "2026-13")

    assert negative == (1, "loupe-admin: A monthly quota of -5 is not between 0 and 2147483647.")
    assert (huge[0], huge[1].count("\n")) == (2, 0)
    assert without_plan[0] == 1
    assert f"loupe-admin plan set {free.email} PLAN" in without_plan[1]
    assert (month[0], month[1].count("\n")) == (1, 0)
    assert "2026-13" in month[1]
