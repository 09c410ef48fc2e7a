"""An account over REST: register, verify by mail, log in, read, log out."""

import asyncio
import re
import secrets
from typing import Any

import httpx2
import psycopg

from loupe_local.accounts import LINK
from loupe_local.mailbox import newest_mail_to
from loupe_local.stack import Stack
from tests.client import client_of

PASSWORD = "Correct1horse"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
REGISTERED = "Registration successful. Please verify your email to access all features."


def new_address(name: str) -> str:
    """Return an address that no earlier run has registered with the same stack."""
    return f"{name}.{secrets.token_hex(4)}@example.com"


async def register(client: httpx2.AsyncClient, email: str) -> dict[str, Any]:
    body = {
        "name": "Ada Lovelace",
        "email": email,
        "password": PASSWORD,
        "password_confirmation": PASSWORD,
        "device_name": "engine",
    }
    answer = await client.post("/api/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def newest_link(stack: Stack, email: str, mails: int = 1) -> str:
    """Wait until this many mails have arrived, and return the API call for the link in the newest one."""
    async with asyncio.timeout(20):
        while len(list(stack.stores.mails.glob(f"[!.]*-{email}.eml"))) < mails:
            await asyncio.sleep(0.05)
    found = LINK.search((await newest_mail_to(stack.stores.mails, email)).get_content())
    assert found
    return found[0].replace("/verify-email/", "/api/email/verify/")


async def allow_next_mail(stack: Stack, email: str) -> None:
    """Forget the last mail: an address gets at most one mail per minute."""
    url = stack.stores.database_url("auth").replace("postgresql+psycopg", "postgresql")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("UPDATE user_account SET last_mail_at = NULL WHERE email = %s", (email,))


async def test_a_registration_has_the_answer_of_the_contract(anyone: httpx2.AsyncClient) -> None:
    body = await register(anyone, new_address("ada.contract"))

    user = body["data"]["user"]
    assert list(body) == ["success", "message", "data"]
    assert (body["success"], body["message"]) == (True, REGISTERED)
    assert list(body["data"]) == ["user", "token", "token_type"]
    assert list(user) == [
        "id", "name", "email", "email_verified_at", "profile_photo_url", "created_at", "updated_at",
        "pricing_plan", "pending_email", "second_factor",
    ]  # fmt: skip
    assert (user["email_verified_at"], user["pricing_plan"]["slug"]) == (None, "free")
    assert INSTANT.fullmatch(user["created_at"])
    assert (await anyone.get(user["profile_photo_url"])).headers["content-type"] == "image/svg+xml"


async def test_an_account_from_registration_to_logout(stack: Stack, anyone: httpx2.AsyncClient) -> None:
    email = new_address("ada.life")
    login = {"email": email.upper(), "password": PASSWORD}
    first = (await register(anyone, email))["data"]["token"]

    too_early = await anyone.post("/api/auth/login", json=login)
    link = await newest_link(stack, email)
    verified = [await anyone.get(link), await anyone.get(link)]
    logged_in = await anyone.post("/api/auth/login", data=login)
    async with client_of(stack, logged_in.json()["data"]["token"]) as ada, client_of(stack, first) as other:
        user = (await ada.get("/api/user")).json()["data"]
        tokens = (await ada.get("/api/user/tokens")).json()["data"]
        logout = await ada.post("/api/auth/logout")
        after = [await ada.get("/api/user"), await other.get("/api/user")]
        all_revoked = await other.post("/api/auth/revoke-all")
        after_revoking = await other.get("/api/user")

    assert (too_early.status_code, too_early.json()["code"]) == (403, "email_unverified")
    assert [answer.json()["message"] for answer in verified] == ["Email verified successfully"] * 2
    assert (logged_in.status_code, logged_in.json()["message"]) == (200, "Login successful")
    assert INSTANT.fullmatch(user["email_verified_at"])
    assert tokens["tokens"][0]["name"] == "engine"
    assert tokens["count"] == 2
    assert logout.json() == {"success": True, "message": "Logout successful"}
    assert [answer.status_code for answer in after] == [401, 200]
    assert all_revoked.json() == {"success": True, "message": "All tokens revoked successfully"}
    assert after_revoking.status_code == 401


async def test_a_failed_login_does_not_reveal_whether_the_user_exists(anyone: httpx2.AsyncClient) -> None:
    unknown = await anyone.post("/api/auth/login", json={"email": new_address("nobody"), "password": "x"})
    await register(anyone, email := new_address("guessed"))
    wrong = await anyone.post("/api/auth/login", json={"email": email, "password": "x"})

    for answer in (unknown, wrong):
        assert (answer.status_code, answer.json()["message"]) == (401, "Invalid credentials")
        assert list(answer.json()["errors"]) == ["email"]
    assert unknown.json()["errors"] == wrong.json()["errors"]


async def test_asking_for_another_verification_mail_does_not_reveal_users(
    stack: Stack, anyone: httpx2.AsyncClient
) -> None:
    email = new_address("ada.again")
    path = "/api/email/verification-notification"
    token = (await register(anyone, email))["data"]["token"]
    await newest_link(stack, email)
    await allow_next_mail(stack, email)

    async with client_of(stack, token) as ada:
        answers = [await anyone.post(path, json={"email": email}), await ada.post(path)]
    answers.append(await anyone.post(path, json={"email": "nobody@example.com"}))
    link = await newest_link(stack, email, mails=2)

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert (await anyone.get(link)).status_code == 200
    assert not list(stack.stores.mails.glob("*-nobody@example.com.eml"))


async def test_usage_and_subscription_have_the_answers_of_the_contract(jane: httpx2.AsyncClient) -> None:
    usage = (await jane.get("/api/usage")).json()
    subscription = (await jane.get("/api/subscription")).json()

    assert usage["message"] == "Usage statistics retrieved successfully"
    assert list(usage["data"]) == ["plan", "image_uploads", "features"]
    assert list(usage["data"]["image_uploads"])[:6] == [
        "used", "limit", "remaining", "unlimited", "exceeded", "percentage"
    ]  # fmt: skip
    assert usage["data"]["features"] == ["api_access", "priority_support", "batch_processing"]
    assert list(subscription["data"]["subscription"]) == [
        "id", "type", "status", "quantity", "trial_ends_at", "ends_at", "created_at",
        "is_active", "is_on_trial", "is_cancelled", "is_on_grace_period",
    ]  # fmt: skip
    assert list(subscription["data"]["plan"]) == ["name", "slug", "price", "features", "limits"]
    assert subscription["data"]["subscription"]["is_active"] is True
