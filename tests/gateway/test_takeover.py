"""A stolen token does not take an account over, over REST."""

import re
import secrets
from typing import Any

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import PASSWORD, Harness, People, Person
from tests.gateway.mails import RESET, VERIFY, link_to, mails_to
from tests.polling import until

STALE = "UPDATE token SET signed_in_at = NULL WHERE user_id = %s"
MAIL_AGAIN = "UPDATE user_account SET last_mail_at = NULL WHERE id = %s"
EXPIRING = "UPDATE token SET expires_at = now() + interval '1 hour' WHERE user_id = %s"
RESTORE = re.compile(r"https?://\S+/restore-address#(\S+)")
NEW = {"password": "Better-Horse-2", "password_confirmation": "Better-Horse-2"}


def new_email() -> str:
    return f"{secrets.token_hex(6)}@example.com"


async def robbed(people: People) -> Person:
    """Return a verified user whose token does not come from a recent login."""
    person = await people.new()
    await people.execute_sql("auth", STALE, person.id)
    return person


async def send(
    client: httpx2.AsyncClient, method: str, path: str, **body: str
) -> tuple[int, str | None, dict[str, Any]]:
    answer = await client.request(method, path, json=body)
    return answer.status_code, answer.json().get("code"), answer.json()


CHANGES = [
    ("PATCH", "/api/user", {"email": "thief@example.org"}),
    ("DELETE", "/api/user", {}),
    ("POST", "/api/user/second-factor", {}),
    ("POST", "/api/user/tokens", {"name": "longer"}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_a_change_of_the_account_needs_more_than_a_token(
    gateway: Harness, people: People, method: str, path: str, body: dict[str, str]
) -> None:
    person = await robbed(people)
    await people.execute_sql("auth", EXPIRING, person.id)
    email = {"email": new_email()} if "email" in body else {}

    async with gateway.client(person.token) as client:
        refused = await send(client, method, path, **(body | email))
        wrong = await send(client, method, path, **(body | email), current_password="Wrong-Horse-1")
        admitted = await send(client, method, path, **(body | email), current_password=PASSWORD)

    assert refused[:2] == wrong[:2] == (403, "reauthentication_required")
    assert refused[2]["message"] == "Please log in again, or send your current password."
    assert "errors" not in refused[2]
    assert wrong[2]["errors"] == {"current_password": ["The current password is incorrect."]}
    assert admitted[0] in (200, 201)


async def test_the_calls_of_the_reference_need_no_proof(gateway: Harness, people: People) -> None:
    person = await robbed(people)
    login = {"email": person.email, "password": PASSWORD}

    async with gateway.client(person.token) as client:
        other = (await client.post("/api/auth/login", json=login)).json()["data"]["token"].partition("|")[0]
        answers = [
            await client.get("/api/user"),
            await client.get("/api/user/tokens"),
            await client.delete(f"/api/user/tokens/{other}"),
            await client.patch("/api/user", json={"name": "Jane"}),
            await client.post("/api/user/tokens", json={"name": "My App"}),
            await client.post("/api/auth/revoke-all"),
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 201, 200]


async def test_another_address_counts_after_its_verification(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person, address = await people.new(), new_email()
    login = {"email": person.email, "password": PASSWORD}

    async with gateway.client(person.token) as client:
        changed = (await client.patch("/api/user", json={"email": address})).json()["data"]
        usage = await client.get("/api/usage")
        by_present = await client.post("/api/auth/login", json=login)
        signed = (await link_to(stack, address, VERIFY))[1]
        await client.get(f"/api/email/verify/{signed}")
        user = (await client.get("/api/user")).json()["data"]
        by_former = await client.post("/api/auth/login", json=login)

    assert (changed["email"], changed["pending_email"]) == (person.email, address)
    assert changed["email_verified_at"] is not None
    assert (usage.status_code, by_present.status_code) == (200, 200)
    assert (user["email"], user["pending_email"]) == (address, None)
    assert by_former.status_code == 401


async def test_a_program_that_opens_links_changes_no_address(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person, address = await people.new(), new_email()

    async with gateway.client(person.token) as client, gateway.client() as scanner:
        await client.patch("/api/user", json={"email": address})
        signed = (await link_to(stack, address, VERIFY))[1]
        opened = [await scanner.get(f"/verify-email/{signed}") for _ in range(2)]
        scanned = (await client.get("/api/user")).json()["data"]
        pressed = await scanner.get(f"/api/email/verify/{signed}")
        user = (await client.get("/api/user")).json()["data"]
        again = await scanner.get(f"/verify-email/{signed}")

    assert [answer.status_code for answer in opened] == [200, 200]
    assert "<button>Use this address</button>" in opened[0].text
    assert (scanned["email"], scanned["pending_email"]) == (person.email, address)
    assert (pressed.status_code, user["email"], user["pending_email"]) == (200, address, None)
    assert "<h1>Your email address is verified</h1>" in again.text


async def test_the_page_of_a_cancelled_change_says_that_its_link_is_invalid(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person, address = await people.new(), new_email()

    async with gateway.client(person.token) as client:
        await client.patch("/api/user", json={"email": address})
        signed = (await link_to(stack, address, VERIFY))[1]
        await client.patch("/api/user", json={"email": person.email})
        answer = await client.get(f"/verify-email/{signed}")

    assert answer.status_code == 403
    assert "This link is invalid or has expired." in answer.text


async def test_the_former_address_takes_the_account_back(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person, address = await people.new(), new_email()

    async with gateway.client(person.token) as thief, gateway.client() as owner:
        added = await thief.post("/api/webhooks", json={"url": "http://127.0.0.1:9/thief"})
        await until(lambda: any("webhook was added" in mail for mail in mails_to(stack, person.email)))
        await thief.patch("/api/user", json={"email": address})
        await thief.get(f"/api/email/verify/{(await link_to(stack, address, VERIFY))[1]}")
        await owner.post("/api/auth/forgot-password", json={"email": person.email})
        signed = (await link_to(stack, person.email, RESTORE))[1]
        page = await owner.get("/restore-address")
        restored = await owner.post("/api/email/restore", json={"token": signed})
        again = await owner.post("/api/email/restore", json={"token": signed})
        stolen = await thief.get("/api/user")
        data = restored.json()["data"]
        reset = await owner.post("/api/auth/reset-password", json={"token": data["reset_token"], **NEW})
        by_owner = await owner.post(
            "/api/auth/login", json={"email": person.email, "password": NEW["password"]}
        )
        by_thief = await owner.post("/api/auth/login", json={"email": address, "password": PASSWORD})
        owner.headers["Authorization"] = f"Bearer {by_owner.json()['data']['token']}"

        async def is_disabled() -> bool:
            [webhook] = (await owner.get("/api/webhooks")).json()["data"]["webhooks"]
            return not webhook["is_enabled"]

        await until(is_disabled)

    assert (added.status_code, page.status_code) == (201, 200)
    assert (restored.status_code, data["email"]) == (200, person.email)
    assert (again.status_code, again.json()["code"]) == (403, "invalid_signature")
    assert stolen.status_code == 401
    assert (reset.status_code, by_owner.status_code, by_thief.status_code) == (200, 200, 401)


async def test_a_forgotten_password_goes_to_the_present_address(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person, address = await people.new(), new_email()

    async with gateway.client(person.token) as client:
        await client.patch("/api/user", json={"email": address})
        await people.execute_sql("auth", MAIL_AGAIN, person.id)
        for email in (address, person.email):
            await client.post("/api/auth/forgot-password", json={"email": email})
        await link_to(stack, person.email, RESET)

    assert not any(RESET.search(mail) for mail in mails_to(stack, address))


async def test_a_mail_holds_no_text_of_a_stranger(stack: Stack, gateway: Harness) -> None:
    address = new_email()
    body = {"name": "Win at evil.example", "email": address, **NEW, "device_name": "evil.example"}

    async with gateway.client() as client:
        await client.post("/api/auth/register", json=body)
        await link_to(stack, address, VERIFY)

    assert not any("evil" in mail for mail in mails_to(stack, address))
