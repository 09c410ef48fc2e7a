"""Tokens that users make for their programs, over REST."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from loupe.contract import ABILITIES
from loupe_local.stack import Stack
from tests.gateway.harness import PASSWORD, Harness, People, gateway_on, settings_of

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
LIMITED = "UPDATE token SET abilities = %s WHERE user_id = %s"
MANY = (
    "INSERT INTO token (user_id, name, abilities, secret_hash, created_at)"
    r" SELECT %s, n, '{}', '\x00', now() - n * interval '1 day' FROM generate_series(1, 999) n"
)


async def test_a_new_token_shows_its_text_only_once(gateway: Harness, people: People) -> None:
    person = await people.new()

    async with gateway.client(person.token) as client:
        answer = await client.post("/api/user/tokens", json={"name": "CI"})
        listed = await client.get("/api/user/tokens")

    body, tokens = answer.json(), listed.json()["data"]["tokens"]
    token, text = body["data"]["token"], body["data"]["plain_text"]
    assert answer.status_code == 201
    assert list(body) == ["success", "message", "data"]
    assert (body["success"], body["message"]) == (True, "API token created successfully")
    assert list(body["data"]) == ["token", "plain_text"]
    assert list(token) == ["id", "name", "abilities", "last_used_at", "created_at", "expires_at"]
    assert (token["name"], token["last_used_at"], token["expires_at"]) == ("CI", None, None)
    assert token["abilities"] == list(ABILITIES)
    assert INSTANT.fullmatch(token["created_at"])
    assert re.fullmatch(rf"{token['id']}\|[A-Za-z0-9]{{40}}[0-9a-f]{{8}}", text)
    assert tokens[-1] == token
    assert text.partition("|")[2] not in listed.text


async def test_a_login_with_a_thousand_tokens_revokes_the_one_that_is_unused_for_the_longest_time(
    gateway: Harness, people: People
) -> None:
    person = await people.new()
    await people.execute_sql("auth", MANY, person.id)

    async with gateway.client(person.token) as client:
        await client.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})
        tokens = (await client.get("/api/user/tokens")).json()["data"]

    assert tokens["count"] == 1000
    names = {token["name"] for token in tokens["tokens"]}
    assert ("998" in names, "999" in names) == (True, False)


async def test_a_token_has_only_its_abilities(gateway: Harness, people: People) -> None:
    person = await people.new("starter")
    sent = {"name": "CI", "abilities": ["images:read"]}

    async with gateway.client(person.token) as client:
        made = (await client.post("/api/user/tokens", json=sent)).json()["data"]
    async with gateway.client(made["plain_text"]) as program:
        images = await program.get("/api/images")
        refused = [
            await program.get("/api/user"),
            await program.post("/api/user/tokens", json={"name": "another"}),
            await program.delete("/api/user"),
        ]
        out = await program.delete(f"/api/user/tokens/{made['token']['id']}")
        after = await program.get("/api/images")

    assert made["token"]["abilities"] == ["images:read"]
    assert images.status_code == 200
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "missing_ability")}
    assert (out.status_code, after.status_code) == (200, 401)


@pytest.mark.parametrize(
    "body",
    [
        "name=CI&abilities%5B%5D=images:read&abilities%5B%5D=user:read",
        "name=CI&abilities[]=images:read&abilities[]=user:read",
        "name=CI&abilities[0]=images:read&abilities[1]=user:read",
        "name=CI&abilities=images:read&abilities=user:read",
    ],
)
async def test_a_form_can_repeat_the_abilities_field(gateway: Harness, people: People, body: str) -> None:
    person = await people.new()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    async with gateway.client(person.token) as client:
        many = await client.post("/api/user/tokens", content=body, headers=headers)
        one = await client.post("/api/user/tokens", data={"name": "CI", "abilities": "images:read"})

    assert many.json()["data"]["token"]["abilities"] == ["images:read", "user:read"]
    assert one.json()["data"]["token"]["abilities"] == ["images:read"]


NAMELESS = ["The name field is required."]
ONLY_KNOWN = ["The abilities may only be: images:read, images:write, images:delete, user:read."]


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({}, {"name": NAMELESS}),
        ({"name": None}, {"name": NAMELESS}),
        ({"name": "x" * 256}, {"name": ["The name may not be greater than 255 characters."]}),
        ({"name": "CI", "abilities": "images:read"}, {"abilities": ["The abilities must be a list."]}),
        ({"name": "CI", "abilities": []}, {"abilities": ["The abilities must have at least one item."]}),
        ({"name": "CI", "abilities": [1, 2]}, {"abilities": ["The abilities must be a list of strings."]}),
        ({"name": "CI", "abilities": ["images:read", "admin"]}, {"abilities": ONLY_KNOWN}),
        (
            {"name": "CI", "abilities": ["images:read", "images:read"]},
            {"abilities": ["The abilities may not name one twice."]},
        ),
        (
            {"name": "CI", "expires_at": "2020-01-01T00:00:00Z"},
            {"expires_at": ["The expires at must be in the future."]},
        ),
        (
            {"name": "CI", "expires_at": "in a year"},
            {"expires_at": ["The expires at must be an instant such as 2030-01-31T12:00:00Z."]},
        ),
        ({"name": "CI", "expires_at": 1893456000}, {"expires_at": ["The expires at must be a string."]}),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_an_invalid_field_is_named(
    gateway: Harness, people: People, sent: dict[str, object], errors: dict[str, list[str]]
) -> None:
    person = await people.new()

    async with gateway.client(person.token) as client:
        answer = await client.post("/api/user/tokens", json=sent)
        tokens = (await client.get("/api/user/tokens")).json()["data"]

    assert (answer.status_code, answer.json()["errors"]) == (422, errors)
    assert tokens["count"] == 1


@pytest.mark.parametrize("missing", ABILITIES)
async def test_a_missing_ability_is_refused_before_the_body_is_read(
    gateway: Harness, people: People, missing: str
) -> None:
    person = await people.new()
    left = [ability for ability in ABILITIES if ability != missing]
    await people.execute_sql("auth", LIMITED, left, person.id)

    async with gateway.client(person.token) as client:
        answer = await client.post("/api/user/tokens", content=b"{no body of ours")

    assert (answer.status_code, answer.json()["code"]) == (403, "missing_ability")
    assert answer.json()["message"] == f"The token lacks the ability {missing}."


async def test_tokens_of_an_unverified_user_are_unverified_too(gateway: Harness, people: People) -> None:
    person = await people.new(verified=False)

    async with gateway.client(person.token) as client:
        made = (await client.post("/api/user/tokens", json={"name": "CI"})).json()["data"]
    async with gateway.client(made["plain_text"]) as program:
        images = await program.get("/api/images")

    assert (images.status_code, images.json()["code"]) == (403, "email_unverified")


async def test_a_token_expires_on_time_although_it_is_remembered(stack: Stack, people: People) -> None:
    person = await people.new()

    async with gateway_on(settings_of(stack, principal_seconds=3600.0)) as gateway:
        async with gateway.client(person.token) as client:
            until = datetime.now(UTC) + timedelta(seconds=6)
            sent = {"name": "CI", "expires_at": until.isoformat()}
            made = (await client.post("/api/user/tokens", json=sent)).json()["data"]
        async with gateway.client(made["plain_text"]) as program:
            statuses = [(await program.get("/api/user")).status_code]
            async with asyncio.timeout(20):
                while statuses[-1] == 200:
                    statuses.append((await program.get("/api/user")).status_code)
                    await asyncio.sleep(0.2)  # stay within a hundred requests an hour

    assert made["token"]["expires_at"] == until.isoformat().replace("+00:00", "Z")
    assert (statuses[0], statuses[-1]) == (200, 401)
    assert datetime.now(UTC) >= until
