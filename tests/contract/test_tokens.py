"""Tokens, line by line. tests/auth checks that they are compared in constant time."""

import hashlib
import re
import zlib

import httpx2
import psycopg

from loupe_local.stack import Stack
from tests.client import client_of
from tests.contract.api_client import PASSWORD, data_of, new_email, refusal, registration
from tests.contract.shapes import NEW_TOKEN, SESSION
from tests.gateway.harness import People

ABILITIES = ["images:read", "images:write", "images:delete", "user:read"]


async def stored_row(stack: Stack, statement: str, *values: object) -> tuple[object, ...]:
    url = stack.stores.database_url("auth").replace("postgresql+psycopg", "postgresql")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await (await connection.execute(statement.encode(), values)).fetchone() or ()


async def test_a_token_is_labelled_with_the_device_or_the_user_agent(
    stack: Stack, anyone: httpx2.AsyncClient
) -> None:
    named = registration(new_email()) | {"device_name": "Jane's laptop"}
    agent = {"User-Agent": "curl/8.5.0"}
    sessions = [
        (await anyone.post("/api/auth/register", json=body, headers=agent)).json()["data"]
        for body in (named, registration(new_email()))
    ]

    names: list[str] = []
    for session in sessions:
        async with client_of(stack, session["token"]) as client:
            names += [
                token["name"] for token in (await client.get("/api/user/tokens")).json()["data"]["tokens"]
            ]

    assert names == ["Jane's laptop", "curl/8.5.0"]


async def test_neither_password_nor_token_is_stored(stack: Stack, people: People) -> None:
    person = await people.new()
    secret = person.token.partition("|")[2][:40]

    (password,) = await stored_row(stack, "SELECT password_hash FROM user_account WHERE id = %s", person.id)
    (text,) = await stored_row(stack, "SELECT secret_hash FROM token WHERE user_id = %s", person.id)

    assert str(password).startswith("$argon2id$")
    assert text == hashlib.sha256(secret.encode()).digest()


async def test_a_token_ends_with_the_checksum_of_its_secret(people: People) -> None:
    _, _, text = (await people.new()).token.partition("|")

    assert re.fullmatch(r"[A-Za-z0-9]{40}[0-9a-f]{8}", text)
    assert text[40:] == f"{zlib.crc32(text[:40].encode()):08x}"


async def test_tokens_of_register_and_login_have_all_abilities(
    stack: Stack, people: People, anyone: httpx2.AsyncClient
) -> None:
    person = await people.new("starter")
    login = await anyone.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})

    async with client_of(stack, person.token) as client:
        tokens = (await client.get("/api/user/tokens")).json()["data"]

    data_of(login, "Login successful", SESSION)
    assert [token["abilities"] for token in tokens["tokens"]] == [ABILITIES, ABILITIES]
    assert tokens["count"] == 2


async def test_logging_out_and_revoking_itself_needs_no_ability(stack: Stack, people: People) -> None:
    person = await people.new()
    first, second = [await create_token(stack, person.token, ["images:read"]) for _ in range(2)]

    async with client_of(stack, first) as client:
        out = await client.post("/api/auth/logout")
        after = await client.post("/api/auth/logout")
    async with client_of(stack, second) as client:
        revoked = await client.delete(f"/api/user/tokens/{second.partition('|')[0]}")

    data_of(out, "Logout successful")
    data_of(revoked, "Token revoked successfully")
    assert after.status_code == 401


async def test_revoking_other_tokens_needs_all_abilities(stack: Stack, people: People) -> None:
    person = await people.new()
    weak = await create_token(stack, person.token, ABILITIES[:3])
    others = f"/api/user/tokens/{person.token.partition('|')[0]}"

    async with client_of(stack, weak) as client:
        refused = [await client.post("/api/auth/revoke-all"), await client.delete(others)]
    async with client_of(stack, person.token) as client:
        one = await client.delete(f"/api/user/tokens/{weak.partition('|')[0]}")
        everything = await client.post("/api/auth/revoke-all")
        after = await client.get("/api/user")

    assert {refusal(answer)[:2] for answer in refused} == {(403, "missing_ability")}
    data_of(one, "Token revoked successfully")
    data_of(everything, "All tokens revoked successfully")
    assert after.status_code == 401


async def test_last_used_at_is_written_at_most_once_a_minute(stack: Stack, people: People) -> None:
    person = await people.new()

    async with client_of(stack, person.token) as client:
        answers = [await client.get("/api/user/tokens") for _ in range(2)]

    used_at = {answer.json()["data"]["tokens"][0]["last_used_at"] for answer in answers}
    assert len(used_at) == 1
    assert None not in used_at


async def test_a_new_token_has_abilities_and_expiry_and_shows_its_text_once(
    stack: Stack, people: People
) -> None:
    person = await people.new()
    wanted = {"name": "Reader", "abilities": ["images:read"], "expires_at": "2100-01-31T12:00:00Z"}

    async with client_of(stack, person.token) as client:
        answer = await client.post("/api/user/tokens", json=wanted)
        listed = await client.get("/api/user/tokens")

    new = data_of(answer, "API token created successfully", NEW_TOKEN, 201)
    assert new["token"] | {"id": 0, "created_at": ""} == {
        "id": 0,
        "name": "Reader",
        "abilities": ["images:read"],
        "last_used_at": None,
        "created_at": "",
        "expires_at": "2100-01-31T12:00:00.000000Z",
    }
    assert new["token"] in listed.json()["data"]["tokens"]
    assert new["plain_text"] not in listed.text


async def create_token(stack: Stack, token: str, abilities: list[str]) -> str:
    """Create another token of the same user. Return its text."""
    async with client_of(stack, token) as client:
        answer = await client.post("/api/user/tokens", json={"name": "another", "abilities": abilities})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]["plain_text"]
