"""Accounts, line by line. tests/auth checks that links expire after an hour."""

import asyncio
import re

import httpx2
import pytest

from loupe_local.accounts import LINK
from loupe_local.mailbox import newest_mail_to
from loupe_local.stack import Stack
from tests.client import client_of, upload_image, wait_for_status
from tests.contract.api_client import (
    PASSWORD,
    SMALL,
    data_of,
    invalid_fields,
    new_email,
    refusal,
    registration,
    until_deleted,
)
from tests.contract.shapes import SESSION, USER
from tests.gateway.harness import People

REGISTERED = "Registration successful. Please verify your email to access all features."
REQUIRED = {
    "name": ["The name field is required."],
    "email": ["The email field is required."],
    "password": ["The password field is required."],
}
LONG = "x" * 256


async def test_registering_returns_a_user_and_a_token(stack: Stack, anyone: httpx2.AsyncClient) -> None:
    email = new_email()

    data = data_of(
        await anyone.post("/api/auth/register", json=registration(email)), REGISTERED, SESSION, 201
    )

    assert (data["user"]["email"], data["user"]["email_verified_at"]) == (email, None)
    assert data["user"]["pricing_plan"] == {"id": 1, "name": "Free", "slug": "free"}
    assert LINK.search((await newest_mail_to(stack.stores.mails, email)).get_content())


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"name": "", "email": "", "password": "", "password_confirmation": ""}, REQUIRED),
        ({"name": LONG}, {"name": ["The name may not be greater than 255 characters."]}),
        ({"email": "nobody"}, {"email": ["The email must be a valid email address."]}),
        ({"email": f"{LONG}@example.com"}, {"email": ["The email may not be greater than 255 characters."]}),
        ({"email": "JANE@Example.com"}, {"email": ["The email has already been taken."]}),
        ({"password": "Abcdef1"}, {"password": ["The password must be at least 8 characters."]}),
        (
            {"password": "abcdefg1"},
            {"password": ["The password must contain at least one uppercase and one lowercase letter."]},
        ),
        (
            {"password": "ABCDEFG1"},
            {"password": ["The password must contain at least one uppercase and one lowercase letter."]},
        ),
        ({"password": "Abcdefgh"}, {"password": ["The password must contain at least one number."]}),
        (
            {"password_confirmation": "Another-1"},
            {"password": ["The password confirmation does not match."]},
        ),
    ],
)
async def test_a_registration_names_every_invalid_field(
    anyone: httpx2.AsyncClient, changed: dict[str, str], wrong: dict[str, list[str]]
) -> None:
    confirmed = {"password_confirmation": changed["password"]} if "password" in changed else {}

    answer = await anyone.post("/api/auth/register", json=registration(new_email()) | confirmed | changed)

    assert invalid_fields(answer) == wrong


async def test_an_email_is_stored_in_lower_case(anyone: httpx2.AsyncClient) -> None:
    email = new_email()

    answer = await anyone.post("/api/auth/register", json=registration(email.upper()))

    assert answer.json()["data"]["user"]["email"] == email


async def test_a_login_checks_the_password_before_the_verification(
    anyone: httpx2.AsyncClient, people: People
) -> None:
    person = await people.new(verified=False)

    wrong = await anyone.post("/api/auth/login", json={"email": person.email, "password": "x"})
    right = await anyone.post("/api/auth/login", json={"email": person.email.upper(), "password": PASSWORD})

    assert refusal(wrong)[:2] == (401, "invalid_credentials")
    assert refusal(right)[:2] == (403, "email_unverified")
    assert "token" not in right.text.lower()


async def test_an_unverified_token_can_use_only_the_account(stack: Stack, people: People) -> None:
    person = await people.new("professional", verified=False)
    closed = ["/api/images", "/api/images/1", "/api/batches", "/api/usage", "/api/subscription"]

    async with client_of(stack, person.token) as client:
        refused = [await client.get(path) for path in closed]
        refused += [await client.post(path) for path in ("/api/images/upscale", "/api/batches")]
        opened = [await client.get(path) for path in ("/api/user", "/api/user/tokens")]
        resent = await client.post("/api/email/verification-notification")
        out = await client.post("/api/auth/revoke-all")

    assert {refusal(answer)[:2] for answer in refused} == {(403, "email_unverified")}
    assert [answer.status_code for answer in (*opened, resent, out)] == [200, 200, 202, 200]


async def test_the_link_needs_no_token_works_twice_and_cannot_be_changed(
    stack: Stack, anyone: httpx2.AsyncClient, people: People
) -> None:
    person = await people.new(verified=False)
    link = LINK.search((await newest_mail_to(stack.stores.mails, person.email)).get_content())
    assert link
    path = f"/api/email/verify/{link[0].rpartition('/')[2]}"

    changed = await anyone.get(path[:-1] + ("A" if path[-1] != "A" else "B"))
    opened = [await anyone.get(each) for each in (path, path, link[0])]

    assert refusal(changed)[:2] == (403, "invalid_signature")
    assert [answer.status_code for answer in opened] == [200, 200, 200]


async def test_asking_for_the_mail_again_does_not_reveal_users(
    anyone: httpx2.AsyncClient, people: People
) -> None:
    person = await people.new(verified=False)
    path = "/api/email/verification-notification"

    known = await anyone.post(path, json={"email": person.email})
    unknown = await anyone.post(path, json={"email": new_email()})

    assert [known.status_code, unknown.status_code] == [202, 202]
    assert known.json() == unknown.json()


async def test_a_user_has_their_plan(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    async with client_of(stack, person.token) as client:
        user = data_of(await client.get("/api/user"), "User retrieved successfully", USER)

    assert (user["id"], user["email"]) == (person.id, person.email)
    assert user["email_verified_at"]
    assert user["pricing_plan"] == {"id": 2, "name": "Starter", "slug": "starter"}


async def test_the_profile_photo_comes_from_this_host(stack: Stack, people: People) -> None:
    person = await people.new()

    async with client_of(stack, person.token) as client:
        url = (await client.get("/api/user")).json()["data"]["profile_photo_url"]
    async with httpx2.AsyncClient() as anyone:
        photo = await anyone.get(url)

    assert url.startswith(stack.api)
    assert photo.headers["content-type"] == "image/svg+xml"
    assert ">N</text>" in photo.text


async def test_a_forgotten_password_is_replaced_by_a_mailed_link(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    again = {"password": "Another-Horse-2", "password_confirmation": "Another-Horse-2"}
    await people.execute_sql("auth", "UPDATE user_account SET last_mail_at = NULL WHERE id = %s", person.id)

    async with client_of(stack) as client:
        requested = [
            await client.post("/api/auth/forgot-password", json={"email": email})
            for email in (person.email, new_email())
        ]
        body = {"token": await reset_text(stack, person.email)} | again
        answers = [await client.post("/api/auth/reset-password", json=body) for _ in range(2)]
        login = await client.post(
            "/api/auth/login", json={"email": person.email, "password": body["password"]}
        )
    async with client_of(stack, person.token) as before:
        ended = await before.get("/api/user")

    assert requested[0].json() == requested[1].json()
    assert [answer.status_code for answer in (*requested, answers[0], login, ended)] == [
        200,
        200,
        200,
        200,
        401,
    ]
    assert refusal(answers[1])[:2] == (403, "invalid_signature")


async def test_a_changed_password_revokes_the_other_tokens(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    async with client_of(stack) as anyone:
        login = await anyone.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})
    other = login.json()["data"]["token"]
    new = {"password": "Another-Horse-2", "password_confirmation": "Another-Horse-2"}

    async with client_of(stack, person.token) as client, client_of(stack, other) as ended:
        wrong = await client.put("/api/user/password", json={"current_password": "x"} | new)
        right = await client.put("/api/user/password", json={"current_password": PASSWORD} | new)
        after = [await client.get("/api/user"), await ended.get("/api/user")]

    assert invalid_fields(wrong) == {"current_password": ["The current password is incorrect."]}
    assert right.status_code == 200
    assert [answer.status_code for answer in after] == [200, 401]


async def test_only_sent_fields_change_and_a_new_address_is_pending(stack: Stack, people: People) -> None:
    person, email = await people.new("starter"), new_email()

    async with client_of(stack, person.token) as client:
        named = data_of(
            await client.patch("/api/user", json={"name": "Ada"}), "User updated successfully", USER
        )
        moved = await client.patch("/api/user", json={"email": email})
        after = await client.get("/api/usage")

    assert (named["name"], named["email"], named["email_verified_at"] is None) == ("Ada", person.email, False)
    assert (moved.json()["data"]["email"], moved.json()["data"]["pending_email"]) == (person.email, email)
    assert after.status_code == 200
    assert LINK.search((await newest_mail_to(stack.stores.mails, email)).get_content())


async def test_deleting_an_account_deletes_its_images_and_files(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        image = await wait_for_status(client, await upload_image(client, SMALL), "completed")

        answer = await client.delete("/api/user")
        after = await client.get("/api/user")

    assert answer.status_code == 200
    assert after.status_code == 401
    await until_deleted(stack, image["original_path"], image["upscaled_path"])


async def reset_text(stack: Stack, email: str) -> str:
    """Return the text after the `#` in the link of a reset mail."""
    async with asyncio.timeout(20):
        while not (
            found := re.search(r"#(\S+)", (await newest_mail_to(stack.stores.mails, email)).get_content())
        ):
            await asyncio.sleep(0.05)
    return found[1]
