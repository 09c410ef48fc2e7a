"""Forgotten and changed passwords, over REST and real mail."""

import base64
import hashlib
import re
import secrets

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import PASSWORD, Harness, People, Person
from tests.gateway.mails import RESET, link_to, mails_to
from tests.gateway.test_callers import answers, soon

NEW = "Battery-Staple-2"
KNOWN_OR_NOT = "If that address is known, a mail with a link is on its way"
MAIL_AGAIN = "UPDATE user_account SET last_mail_at = NULL WHERE id = %s"


async def forgot(gateway: Harness, email: str) -> httpx2.Response:
    async with gateway.client() as client:
        return await client.post("/api/auth/forgot-password", json={"email": email})


async def reset(gateway: Harness, token: str, password: str = NEW, **changed: str) -> httpx2.Response:
    body = {"token": token, "password": password, "password_confirmation": password}
    async with gateway.client() as client:
        return await client.post("/api/auth/reset-password", json=body | changed)


async def mailed_token(stack: Stack, gateway: Harness, people: People, person: Person) -> str:
    await people.execute_sql("auth", MAIL_AGAIN, person.id)
    await forgot(gateway, person.email)
    return (await link_to(stack, person.email, RESET))[1]


async def login(gateway: Harness, person: Person, password: str) -> httpx2.Response:
    async with gateway.client() as client:
        return await client.post("/api/auth/login", json={"email": person.email, "password": password})


@pytest.mark.parametrize(
    ("email", "text"),
    [("", "The email field is required."), ("jane@", "The email must be a valid email address.")],
)
async def test_an_invalid_address_is_refused(gateway: Harness, email: str, text: str) -> None:
    answer = await forgot(gateway, email)

    assert (answer.status_code, answer.json()["errors"]) == (422, {"email": [text]})


async def test_a_reset_link_works_once(stack: Stack, gateway: Harness, people: People) -> None:
    person = await people.new(verified=False)
    token = await mailed_token(stack, gateway, people, person)

    first = await reset(gateway, token)
    second = await reset(gateway, token, "Yet-Another-3")

    assert (first.status_code, first.json()) == (
        200,
        {"success": True, "message": "Password reset successfully"},
    )
    assert (second.status_code, second.json()["code"]) == (403, "invalid_signature")
    assert second.json()["message"] == "This link is invalid or has expired."
    assert (await login(gateway, person, PASSWORD)).status_code == 401
    session = (await login(gateway, person, NEW)).json()["data"]
    assert session["user"]["email_verified_at"] is not None


async def test_a_reset_revokes_all_tokens_on_every_gateway(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person = await people.new()
    token = await mailed_token(stack, gateway, people, person)

    async with httpx2.AsyncClient(
        base_url=stack.api, headers={"Authorization": f"Bearer {person.token}"}
    ) as client:
        before = await client.get("/api/user")
        await reset(gateway, token)

        assert before.status_code == 200
        assert await soon(answers(client, "/api/user", 401))


async def test_answers_do_not_reveal_users_and_mails_are_limited(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person, stranger = await people.new(), f"{secrets.token_hex(6)}@example.com"
    await people.execute_sql("auth", MAIL_AGAIN, person.id)

    results = [await forgot(gateway, email) for email in (person.email, person.email.upper(), stranger)]
    await link_to(stack, person.email, RESET)
    last = await people.new()
    await mailed_token(stack, gateway, people, last)  # its mail arrives after all earlier mails

    assert {answer.status_code for answer in results} == {200}
    assert {answer.text for answer in results} == {f'{{"success":true,"message":"{KNOWN_OR_NOT}"}}'}
    assert len([text for text in mails_to(stack, person.email) if RESET.search(text)]) == 1
    assert mails_to(stack, stranger) == []


@pytest.mark.parametrize(
    ("changed", "errors"),
    [
        ({"password": ""}, ["The password field is required."]),
        ({"password_confirmation": "x"}, ["The password confirmation does not match."]),
        (
            {"password": "short", "password_confirmation": "short"},
            [
                "The password must be at least 8 characters.",
                "The password must contain at least one uppercase and one lowercase letter.",
                "The password must contain at least one number.",
            ],
        ),
    ],
)
async def test_a_refused_password_leaves_the_link_valid(
    stack: Stack, gateway: Harness, people: People, changed: dict[str, str], errors: list[str]
) -> None:
    token = await mailed_token(stack, gateway, people, await people.new())

    refused = await reset(gateway, token, **changed)
    accepted = await reset(gateway, token)

    assert (refused.status_code, refused.json()["errors"]) == (422, {"password": errors})
    assert accepted.status_code == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
async def test_an_invalid_link_is_refused(gateway: Harness, token: str) -> None:
    answer = await reset(gateway, token)

    assert (answer.status_code, answer.json()["code"]) == (403, "invalid_signature")


async def test_the_page_behind_the_link_loads_nothing_from_other_hosts(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person = await people.new()
    await mailed_token(stack, gateway, people, person)
    link = (await link_to(stack, person.email, RESET))[0]

    async with httpx2.AsyncClient() as client:
        page = await client.get(link)

    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert link.startswith(f"{stack.api}/reset-password#")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert policy["default-src"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == f"'sha256-{digest}'"
    assert policy["connect-src"] == "'self'"
    assert not re.search(r"https?:|//\w|\bon\w+=|\bsrc=|\bhref=(?!\"/console)|\bstyle=", page.text)
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"


async def test_a_new_password_revokes_all_other_tokens(gateway: Harness, people: People) -> None:
    person = await people.new()
    other = (await login(gateway, person, PASSWORD)).json()["data"]["token"]
    body = {"current_password": PASSWORD, "password": NEW, "password_confirmation": NEW}

    async with gateway.client(person.token) as client, gateway.client(other) as elsewhere:
        answer = await client.put("/api/user/password", json=body)
        statuses = [(await one.get("/api/user")).status_code for one in (client, elsewhere)]

    assert (answer.status_code, answer.json()) == (
        200,
        {"success": True, "message": "Password updated successfully"},
    )
    assert statuses == [200, 401]
    assert (await login(gateway, person, PASSWORD)).status_code == 401
    assert (await login(gateway, person, NEW)).status_code == 200


@pytest.mark.parametrize(
    ("changed", "errors"),
    [
        (
            {"current_password": "Wrong-Horse-1"},
            {"current_password": ["The current password is incorrect."]},
        ),
        ({"current_password": ""}, {"current_password": ["The current password field is required."]}),
        ({"password_confirmation": "x"}, {"password": ["The password confirmation does not match."]}),
    ],
)
async def test_an_invalid_field_is_named_and_the_password_stays(
    gateway: Harness, people: People, changed: dict[str, str], errors: dict[str, list[str]]
) -> None:
    person = await people.new()
    body = {"current_password": PASSWORD, "password": NEW, "password_confirmation": NEW}

    async with gateway.client(person.token) as client:
        answer = await client.put("/api/user/password", data=body | changed)

    assert (answer.status_code, answer.json()["errors"]) == (422, errors)
    assert (await login(gateway, person, PASSWORD)).status_code == 200


async def test_an_unverified_user_may_change_the_password(gateway: Harness, people: People) -> None:
    person = await people.new(verified=False)
    body = {"current_password": PASSWORD, "password": NEW, "password_confirmation": NEW}

    async with gateway.client(person.token) as client:
        answer = await client.put("/api/user/password", json=body)

    assert answer.status_code == 200
