"""Strangers and thieves do not take accounts over: many requests at once, used links, odd texts."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Iterable

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import PASSWORD, Harness, People, Person
from tests.gateway.mails import RESET, VERIFY, link_to
from tests.gateway.test_second_factor import PATH, code
from tests.gateway.test_takeover import RESTORE, new_email

LATER = "UPDATE address_change SET requested_at = requested_at - interval '73 hours' WHERE user_id = %s"
AGAIN = "UPDATE user_account SET last_mail_at = NULL WHERE id = %s"
FEWER = "UPDATE token SET abilities = %s WHERE user_id = %s"


async def statuses(requests: Iterable[Awaitable[httpx2.Response]]) -> Counter[int]:
    """Send all requests at once, and count the answers by their status."""
    return Counter(answer.status_code for answer in await asyncio.gather(*requests))


async def enrol(client: httpx2.AsyncClient) -> tuple[str, list[str]]:
    secret = (await client.post(PATH)).json()["data"]["secret"]
    confirmed = await client.post(f"{PATH}/confirm", json={"otp": code(secret, -1)})
    return secret, confirmed.json()["data"]["recovery_codes"]


def login(client: httpx2.AsyncClient, person: Person, **more: str) -> Awaitable[httpx2.Response]:
    return client.post("/api/auth/login", json={"email": person.email, "password": PASSWORD, **more})


@pytest.mark.parametrize("kind", ["recovery code", "code of the app"])
async def test_one_code_admits_one_of_many_logins(gateway: Harness, people: People, kind: str) -> None:
    person = await people.new()

    async with gateway.client(person.token) as client:
        secret, codes = await enrol(client)
        otp = codes[0] if kind == "recovery code" else code(secret)
        counted = await statuses(login(client, person, otp=otp) for _ in range(8))

    assert counted == {200: 1, 401: 7}


async def test_codes_sent_at_once_are_counted_one_by_one(gateway: Harness, people: People) -> None:
    person = await people.new()

    async with gateway.client(person.token) as client:
        await enrol(client)
        counted = await statuses(login(client, person, otp=f"x{number}") for number in range(30))

    assert counted[401] <= 11
    assert counted[401] + counted[429] == 30


async def test_many_new_addresses_at_once_leave_one_pending(gateway: Harness, people: People) -> None:
    person = await people.new()
    asked = [new_email() for _ in range(20)]

    async with gateway.client(person.token) as client:
        counted = await statuses(client.patch("/api/user", json={"email": email}) for email in asked)
        user = (await client.get("/api/user")).json()["data"]
        over = await client.patch("/api/user", json={"email": new_email()})

    assert counted == {200: 20}
    assert user["email"] == person.email
    assert user["pending_email"] in asked
    assert over.status_code == 429


async def test_a_user_learns_of_few_addresses_whether_they_are_taken(
    gateway: Harness, people: People
) -> None:
    curious, known = await people.new(), await people.new()

    async with gateway.client(curious.token) as client:
        tries = [await client.patch("/api/user", json={"email": known.email}) for _ in range(20)]
        over = [await client.patch("/api/user", json={"email": each}) for each in (known.email, new_email())]
        renamed = await client.patch("/api/user", json={"name": "Jane"})

    assert {answer.status_code for answer in tries} == {422}
    assert [answer.status_code for answer in over] == [429, 429]
    assert int(over[0].headers["retry-after"]) > 0
    assert renamed.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/api/user", {"email": "thief@example.org"}),
        ("PATCH", "/api/user", {"name": "Thief"}),
        ("DELETE", "/api/user", {}),
        ("PUT", "/api/user/password", {"current_password": PASSWORD, "password": "Better-Horse-2"}),
        ("POST", "/api/user/tokens", {"name": "more"}),
        ("POST", PATH, {}),
        ("POST", f"{PATH}/confirm", {"otp": "123456"}),
        ("POST", f"{PATH}/recovery-codes", {"otp": "123456"}),
        ("DELETE", PATH, {"otp": "123456"}),
        ("POST", "/api/auth/revoke-all", {}),
    ],
)
async def test_a_token_with_fewer_abilities_changes_no_account(
    gateway: Harness, people: People, method: str, path: str, body: dict[str, str]
) -> None:
    person = await people.new()
    await people.execute_sql("auth", FEWER, ["images:read", "images:write", "user:read"], person.id)

    async with gateway.client(person.token) as client:
        refused = await client.request(method, path, json={**body, "current_password": PASSWORD})
        user = await client.get("/api/user")

    assert (refused.status_code, refused.json()["code"]) == (403, "missing_ability")
    assert user.status_code == 200


async def test_a_way_back_works_once_even_if_opened_often_at_once(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person = await people.new()

    async with gateway.client(person.token) as thief, gateway.client() as owner:
        await thief.patch("/api/user", json={"email": new_email()})
        token = (await link_to(stack, person.email, RESTORE))[1]
        counted = await statuses(owner.post("/api/email/restore", json={"token": token}) for _ in range(6))
        stolen = await thief.get("/api/user")

    assert counted == {200: 1, 403: 5}
    assert stolen.status_code == 401


@pytest.mark.parametrize("what", ["deleted", "late", "other purpose", "altered"])
async def test_a_way_back_that_does_not_count_is_refused(
    stack: Stack, gateway: Harness, people: People, what: str
) -> None:
    person, address = await people.new(), new_email()

    async with gateway.client(person.token) as client:
        await client.patch("/api/user", json={"email": address})
        token = (await link_to(stack, person.email, RESTORE))[1]
        if what == "deleted":
            await client.delete("/api/user")
        elif what == "late":
            await people.execute_sql("auth", LATER, person.id)
        elif what == "other purpose":
            token = (await link_to(stack, address, VERIFY))[1]
        else:
            token = f"{token[:-4]}AAAA"
        answer = await client.post("/api/email/restore", json={"token": token}, headers={"Authorization": ""})

    assert (answer.status_code, answer.json()["code"]) == (403, "invalid_signature")


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "\u0000", "é" * 10, "x" * 50_000, "eyJhbGciOiJub25lIn0.e30."]
)
@pytest.mark.parametrize("path", ["/api/email/restore", "/api/auth/reset-password"])
async def test_a_text_that_was_never_signed_is_refused(gateway: Harness, path: str, token: str) -> None:
    new = {"password": "Better-Horse-2", "password_confirmation": "Better-Horse-2"}

    async with gateway.client() as client:
        answer = await client.post(path, json={"token": token, **new})

    assert answer.status_code in (403, 422)


async def test_a_new_password_by_mail_sent_twice_at_once_is_set_once(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person = await people.new()
    await people.execute_sql("auth", AGAIN, person.id)

    async with gateway.client() as client:
        await client.post("/api/auth/forgot-password", json={"email": person.email})
        token = (await link_to(stack, person.email, RESET))[1]
        bodies = [
            {
                "token": token,
                "password": f"Better-Horse-{number}",
                "password_confirmation": f"Better-Horse-{number}",
            }
            for number in range(5)
        ]
        counted = await statuses(client.post("/api/auth/reset-password", json=body) for body in bodies)

    assert counted == {200: 1, 403: 4}


async def test_answers_do_not_say_which_addresses_are_known(gateway: Harness, people: People) -> None:
    known, unknown = (await people.new()).email, new_email()

    async with gateway.client() as client:
        answers = [
            [
                await client.post("/api/auth/login", json={"email": email, "password": "Wrong-Horse-1"}),
                await client.post("/api/auth/login", json={"email": email, "password": "", "otp": "1"}),
                await client.post("/api/auth/forgot-password", json={"email": email}),
                await client.post("/api/email/verification-notification", json={"email": email}),
            ]
            for email in (known, unknown)
        ]

    seen = [[(one.status_code, one.json() | {"request_id": ""}) for one in each] for each in answers]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "password",
    [
        "Password1",
        "PASSWORd1",
        "pAssw0rd",
        "Qwerty123",
        "  Password1",
        "Password1\u3000",
        "\uff30\uff41ssword\uff11",
        "\uff30A\u017f\u017fWORd1",
    ],
)
async def test_a_common_password_is_refused_in_any_spelling(gateway: Harness, password: str) -> None:
    body = {"name": "Jane", "email": new_email(), "password": password, "password_confirmation": password}

    async with gateway.client() as client:
        answer = await client.post("/api/auth/register", json=body)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["password"])


@pytest.mark.parametrize(
    "name",
    ["Jane\r\nBcc: x@example.com", "Jane\u0085x", "Jane\u2028x", "\u202eenaJ", "Ja\u200bne", "🏴\U000e0067"],
)
async def test_a_name_that_hides_something_is_refused_at_each_door(
    gateway: Harness, people: People, name: str
) -> None:
    person = await people.new()
    account = {"email": new_email(), "password": PASSWORD, "password_confirmation": PASSWORD}

    async with gateway.client(person.token) as client:
        answers = [
            await client.post("/api/auth/register", json={"name": name, **account}),
            await client.patch("/api/user", json={"name": name}),
            await client.post("/api/user/tokens", json={"name": name}),
        ]

    assert [(one.status_code, list(one.json()["errors"])) for one in answers] == [(422, ["name"])] * 3


async def test_a_flag_of_a_part_of_a_country_may_stand_in_a_name(gateway: Harness, people: People) -> None:
    flag = "Ian 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    person = await people.new()

    async with gateway.client(person.token) as client:
        renamed = await client.patch("/api/user", json={"name": flag})
        token = await client.post("/api/user/tokens", json={"name": flag})

        user = (await client.get("/api/user")).json()["data"]

    assert (renamed.status_code, token.status_code, user["name"]) == (200, 201, flag)
    assert token.json()["data"]["token"]["name"] == flag


async def test_deleting_many_times_at_once_deletes_once(gateway: Harness, people: People) -> None:
    person = await people.new()

    async with gateway.client(person.token) as client:
        counted = await statuses(client.delete("/api/user") for _ in range(6))
        after = await login(client, person)

    assert counted[500] == counted[503] == 0
    assert counted[200] >= 1
    assert after.status_code == 401


async def test_an_address_is_not_registered_twice_at_once(gateway: Harness) -> None:
    email = f"{secrets.token_hex(6)}@example.com"
    spellings = [email, email.upper(), f" {email}", email.title()] * 2
    account = {"name": "Jane", "password": PASSWORD, "password_confirmation": PASSWORD}

    async with gateway.client() as client:
        counted = await statuses(
            client.post("/api/auth/register", json={"email": each, **account}) for each in spellings
        )

    assert counted == {201: 1, 422: 7}
