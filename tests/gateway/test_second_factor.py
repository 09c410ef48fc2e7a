"""The second factor over REST."""

import time

import httpx2
from pyotp.totp import TOTP

from tests.gateway.harness import PASSWORD, Harness, People

PATH = "/api/user/second-factor"


def code(secret: str, steps: int = 0) -> str:
    return TOTP(secret).at(int(time.time()) + 30 * steps)


async def login(client: httpx2.AsyncClient, email: str, **more: str) -> tuple[int, str | None]:
    answer = await client.post("/api/auth/login", json={"email": email, "password": PASSWORD, **more})
    return answer.status_code, answer.json().get("code")


async def test_a_second_factor_from_start_to_end(gateway: Harness, people: People) -> None:
    person = await people.new()

    async with gateway.client(person.token) as client:
        started = (await client.post(PATH)).json()["data"]
        wrong = await client.post(f"{PATH}/confirm", json={"otp": "12345"})
        confirmed = await client.post(f"{PATH}/confirm", json={"otp": code(started["secret"], -1)})
        codes = confirmed.json()["data"]["recovery_codes"]
        user = (await client.get("/api/user")).json()["data"]
        again = await client.post(PATH)
        logins = [
            await login(client, person.email),
            await login(client, person.email, otp="000000000"),
            await login(client, person.email, otp=codes[0]),
            await login(client, person.email, otp=codes[0]),
            await login(client, person.email, otp=code(started["secret"])),
        ]
        removed = await client.request("DELETE", PATH, json={"otp": codes[1]})
        after = await login(client, person.email)

    assert started["uri"].startswith("otpauth://totp/Loupe:")
    assert (wrong.status_code, wrong.json()["errors"]) == (422, {"otp": ["The otp is incorrect."]})
    assert (confirmed.status_code, len(codes), user["second_factor"]) == (200, 10, True)
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_enabled")
    required = (401, "second_factor_required")
    assert logins == [required, required, (200, None), required, (200, None)]
    assert (removed.status_code, after) == (200, (200, None))


async def test_the_answer_to_a_login_without_a_code_says_what_to_send(
    gateway: Harness, people: People
) -> None:
    person = await people.new()

    async with gateway.client(person.token) as client:
        secret = (await client.post(PATH)).json()["data"]["secret"]
        await client.post(f"{PATH}/confirm", json={"otp": code(secret)})
        body = {"email": person.email, "password": PASSWORD}
        missing = await client.post("/api/auth/login", json=body)
        wrong_password = await client.post("/api/auth/login", json=body | {"password": "Wrong-Horse-1"})

    answer = missing.json()
    assert list(answer) == ["success", "message", "errors", "code", "request_id"]
    assert answer["errors"] == {"otp": ["The otp field is required."]}
    assert missing.headers["www-authenticate"] == "Bearer"
    assert wrong_password.json()["code"] == "invalid_credentials"


async def test_a_new_password_needs_a_code_if_the_token_comes_from_no_login(
    gateway: Harness, people: People
) -> None:
    person = await people.new()
    async with gateway.client(person.token) as client:
        secret = (await client.post(PATH)).json()["data"]["secret"]
        await client.post(f"{PATH}/confirm", json={"otp": code(secret, -1)})
        made = (await client.post("/api/user/tokens", json={"name": "made"})).json()["data"]["plain_text"]
    new = {"password": "Better-horse-2", "password_confirmation": "Better-horse-2"}
    body = {"current_password": PASSWORD, **new}

    async with gateway.client(made) as client:
        without = await client.put("/api/user/password", json=body)
        changed = await client.put("/api/user/password", json=body | {"otp": code(secret)})

    assert (without.status_code, without.json()["code"]) == (403, "reauthentication_required")
    assert (changed.status_code, changed.json()["message"]) == (200, "Password updated successfully")


async def test_wrong_passwords_are_slowed_down_with_retry_after(gateway: Harness, people: People) -> None:
    """The test system has no limit by address, and all requests come from one that is known."""
    person = await people.new()
    body = {"email": person.email, "password": "Wrong-Horse-1"}

    async with gateway.client() as client:
        answers = [await client.post("/api/auth/login", json=body) for _ in range(11)]
        right = await client.post("/api/auth/login", json=body | {"password": PASSWORD})

    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert (right.status_code, right.json()["code"]) == (429, "too_many_requests")
    assert int(right.headers["retry-after"]) > 0


async def test_a_common_password_and_a_name_with_a_line_break_are_refused(gateway: Harness) -> None:
    body = {"name": "Jane\nSmith", "email": "common@example.com"}
    common = {"password": "Password123", "password_confirmation": "Password123"}

    async with gateway.client() as client:
        answer = await client.post("/api/auth/register", json=body | common)

    assert answer.status_code == 422
    assert answer.json()["errors"] == {
        "name": ["The name may not contain control characters, line breaks or marks of the text direction."],
        "password": ["The password is one of the most common ones. Please choose another."],
    }
