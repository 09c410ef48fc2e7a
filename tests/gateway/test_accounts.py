"""Changing name and address, and deleting the account, over REST."""

import asyncio
import secrets

import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import PASSWORD, Harness, People
from tests.gateway.mails import VERIFY, link_to, mails_to

MAIL_AGAIN = "UPDATE user_account SET last_mail_at = NULL WHERE id = %s"
USER_KEYS = [
    "id", "name", "email", "email_verified_at", "profile_photo_url", "created_at", "updated_at",
    "pricing_plan", "pending_email", "second_factor",
]  # fmt: skip


def new_email() -> str:
    return f"{secrets.token_hex(6)}@example.com"


async def test_a_name_can_be_changed(gateway: Harness, people: People) -> None:
    person = await people.new("starter")

    async with gateway.client(person.token) as client:
        before = (await client.get("/api/user")).json()["data"]
        answer = await client.patch("/api/user", json={"name": " Grace Hopper "})
        after = (await client.get("/api/user")).json()["data"]

    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["success", "message", "data"]
    assert (body["success"], body["message"]) == (True, "User updated successfully")
    assert list(body["data"]) == USER_KEYS
    assert body["data"] == after
    assert after["name"] == "Grace Hopper"
    assert "/photos/GH.svg" in after["profile_photo_url"]
    assert after["pricing_plan"]["slug"] == "starter"
    assert after["updated_at"] > before["updated_at"]
    assert {key for key in USER_KEYS if before[key] != after[key]} == {
        "name",
        "profile_photo_url",
        "updated_at",
    }


async def test_an_empty_change_changes_nothing(gateway: Harness, people: People) -> None:
    person = await people.new()

    async with gateway.client(person.token) as client:
        before = (await client.get("/api/user")).json()["data"]
        answers = [
            await client.patch("/api/user"),
            await client.patch("/api/user", json={}),
            await client.patch("/api/user", json={"name": None, "email": None}),
            await client.patch("/api/user", json={"email": person.email.upper()}),
            await client.patch("/api/user", data={"id": "1", "email_verified_at": ""}),
        ]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert [answer.json()["data"] for answer in answers] == [before] * 5


async def test_only_its_own_link_verifies_a_new_address(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person, address = await people.new(verified=False), new_email()
    former = await link_to(stack, person.email, VERIFY)

    async with gateway.client(person.token) as client:
        changed = await client.patch("/api/user", data={"email": address.upper()})
        refused = await client.get(f"/api/email/verify/{former[1]}")
        unverified = await client.get("/api/usage")
        signed = (await link_to(stack, address, VERIFY))[1]
        verified = await client.get(f"/api/email/verify/{signed}")
        user = (await client.get("/api/user")).json()["data"]
        usage = await client.get("/api/usage")

    assert changed.status_code == 200
    assert (changed.json()["data"]["email"], changed.json()["data"]["email_verified_at"]) == (address, None)
    assert (refused.status_code, refused.json()["code"]) == (403, "invalid_signature")
    assert unverified.json()["code"] == "email_unverified"
    assert verified.json()["message"] == "Email verified successfully"
    assert user["email_verified_at"] is not None
    assert usage.status_code == 200


async def test_a_former_address_that_was_never_verified_can_no_longer_log_in(
    gateway: Harness, people: People
) -> None:
    person, address = await people.new(verified=False), new_email()

    async with gateway.client(person.token) as client:
        await client.patch("/api/user", json={"email": address})
        usage = await client.get("/api/usage")
        by_former = await client.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})
        by_new = await client.post("/api/auth/login", json={"email": address, "password": PASSWORD})

    assert (usage.status_code, usage.json()["code"]) == (403, "email_unverified")
    assert (by_former.status_code, by_former.json()["code"]) == (401, "invalid_credentials")
    assert (by_new.status_code, by_new.json()["code"]) == (403, "email_unverified")


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({"name": ""}, {"name": ["The name field is required."]}),
        ({"name": "x" * 256}, {"name": ["The name may not be greater than 255 characters."]}),
        ({"name": 7}, {"name": ["The name must be a string."]}),
        ({"email": ""}, {"email": ["The email field is required."]}),
        ({"email": "no address"}, {"email": ["The email must be a valid email address."]}),
        ({"email": "JANE@example.com"}, {"email": ["The email has already been taken."]}),
        (
            {"name": [], "email": {}},
            {"name": ["The name must be a string."], "email": ["The email must be a string."]},
        ),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_an_invalid_field_is_named(
    gateway: Harness, people: People, sent: dict[str, object], errors: dict[str, list[str]]
) -> None:
    person = await people.new()

    async with gateway.client(person.token) as client:
        answer = await client.patch("/api/user", json=sent)

    body = answer.json()
    assert (answer.status_code, body["message"], body["code"]) == (
        422,
        "Validation failed",
        "validation_failed",
    )
    assert body["errors"] == errors


async def test_a_deleted_account_is_refused_at_once(gateway: Harness, people: People) -> None:
    person = await people.new("starter")
    login = {"email": person.email, "password": PASSWORD}

    async with gateway.client(person.token) as client:
        other = (await client.post("/api/auth/login", json=login)).json()["data"]["token"]
        answer = await client.delete("/api/user")
        after = await client.get("/api/user")
        again = await client.delete("/api/user")
        logged_in = await client.post("/api/auth/login", json=login)
    async with gateway.client(other) as client:
        by_other = await client.get("/api/user")

    assert (answer.status_code, answer.json()) == (
        200,
        {"success": True, "message": "Account deleted successfully"},
    )
    assert [one.status_code for one in (after, again, by_other)] == [401, 401, 401]
    assert (logged_in.status_code, logged_in.json()["code"]) == (401, "invalid_credentials")


async def test_an_unverified_account_can_be_deleted_and_its_address_registered_again(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person = await people.new(verified=False)
    former = await link_to(stack, person.email, VERIFY)
    body = {
        "name": "New",
        "email": person.email,
        "password": PASSWORD,
        "password_confirmation": PASSWORD,
    }

    async with gateway.client(person.token) as client:
        deleted = await client.delete("/api/user")
        refused = await client.get(f"/api/email/verify/{former[1]}")
        registered = await client.post("/api/auth/register", json=body)

    assert deleted.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (403, "invalid_signature")
    assert registered.status_code == 201
    assert registered.json()["data"]["user"]["id"] != person.id


async def test_the_verification_mail_is_sent_at_most_once_a_minute_and_answers_do_not_differ(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person, verified, address = await people.new(verified=False), await people.new(), new_email()
    await link_to(stack, person.email, VERIFY)
    path = "/api/email/verification-notification"

    async with (
        gateway.client(person.token) as mine,
        gateway.client(verified.token) as theirs,
        gateway.client() as anyone,
    ):
        results = [await mine.post(path), await mine.post(path, json={}), await theirs.post(path)]
        for email in (person.email, verified.email, new_email(), "no address"):
            results += [await anyone.post(path, json={"email": email})]
        await people.execute_sql("auth", MAIL_AGAIN, person.id)
        for _ in range(3):
            results += [await anyone.post(path, data={"email": person.email})]
        await mine.patch("/api/user", json={"email": address})
        await link_to(stack, address, VERIFY)
    async with asyncio.timeout(20):
        while len(mails_to(stack, person.email)) < 2:
            await asyncio.sleep(0.05)

    assert {answer.status_code for answer in results} == {202}
    assert {answer.text for answer in results} == {'{"success":true,"message":"Verification link sent"}'}
    assert len(mails_to(stack, person.email)) == 2
    assert len(mails_to(stack, verified.email)) == 1
