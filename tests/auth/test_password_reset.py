"""Resetting a forgotten password by a link in a mail, which works once."""

import asyncio
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from auth import links
from common import db, errors
from loupe.auth.v1 import auth_pb2 as pb
from loupe_local.mailbox import newest_mail_to
from loupe_local.stores import Stores
from tests.auth.harness import (
    PASSWORD,
    SECRET,
    AuthHarness,
    events,
    locked_user,
    token_id,
    until_a_lock_is_awaited,
)
from tests.auth.mail_sending import PUBLIC_URL, mail_sender, sending_mails

NEW = "Another1horse"
LINK = re.compile(rf"{re.escape(PUBLIC_URL)}/reset-password#(\S+)")
MISMATCH = ["The password confirmation does not match."]


async def forgot(auth: AuthHarness, email: str = "jane@example.com") -> None:
    assert await auth.gateway.ForgotPassword(pb.ForgotPasswordRequest(email=email)) == (
        pb.ForgotPasswordResponse()
    )


async def reset(auth: AuthHarness, token: str, password: str = NEW, confirmation: str = "") -> None:
    await auth.gateway.ResetPassword(
        pb.ResetPasswordRequest(
            token=token, password=password, password_confirmation=confirmation or password
        )
    )


async def refused(auth: AuthHarness, token: str) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await reset(auth, token)
    assert caught.value.reason == "invalid_signature"
    assert caught.value.message == "This link is invalid or has expired."


async def a_link(auth: AuthHarness) -> str:
    """Return the signed text of a reset link for the first user and the current password."""
    [user] = await auth.rows("SELECT password_hash, email FROM user_account WHERE id = 1")
    return links.sign(SECRET, "reset", 1, user.email, links.seal_of(SECRET, user.password_hash))


async def test_the_link_in_the_mail_sets_a_new_password(auth: AuthHarness, stores: Stores) -> None:
    async with sending_mails(auth, stores):
        await auth.register_verified(email="forgetful@example.com")
        await auth.change("UPDATE user_account SET last_mail_at = NULL")
        await forgot(auth, " Forgetful@EXAMPLE.com")
        mail = await newest_mail_to(stores.mails, "forgetful@example.com", "Reset")
    link = LINK.search(mail.get_content())
    assert link

    await reset(auth, link[1])

    assert mail["Subject"] == "Reset your password"
    assert mail.get_content().startswith("Hello,")
    assert (await auth.login("forgetful@example.com", NEW)).token
    with pytest.raises(errors.Unauthenticated):
        await auth.login("forgetful@example.com", PASSWORD)


async def test_an_installation_can_use_its_own_reset_page(auth: AuthHarness, stores: Stores) -> None:
    await auth.register_verified(email="own.page@example.com")
    event = pb.MailWanted(user_id=1, template="reset", email="own.page@example.com")
    mails = mail_sender(auth, stores, reset_url="https://www.example.com/new?lang=en")

    await mails.send(event.SerializeToString())

    mail = await newest_mail_to(stores.mails, "own.page@example.com")
    link = re.search(r"https://www\.example\.com/new\?lang=en#(\S+)", mail.get_content())
    assert link
    await reset(auth, link[1])


async def test_a_reset_revokes_all_tokens_of_this_user_only(auth: AuthHarness) -> None:
    tokens = [(await auth.register_verified()).token, (await auth.login()).token]
    omar = (await auth.register(email="omar@example.com")).token

    await reset(auth, await a_link(auth))

    assert [await auth.is_valid(token) for token in tokens] == [False, False]
    assert await auth.is_valid(omar)
    [event] = await events(auth, "auth.tokens_revoked", pb.TokensRevoked)
    assert sorted(event.token_ids) == sorted(token_id(token) for token in tokens)


async def test_a_reset_verifies_the_address_that_it_was_mailed_to(auth: AuthHarness) -> None:
    await auth.register()

    await reset(auth, await a_link(auth))

    assert (await auth.login(password=NEW)).user.HasField("email_verified_at")
    assert pb.UserChanged(user_id=1) in await events(auth, "auth.user_changed", pb.UserChanged)


async def test_a_reset_changes_nothing_else(auth: AuthHarness) -> None:
    columns = "SELECT id, name, email, email_verified_at, created_at FROM user_account"
    await auth.register_verified()
    before = await auth.rows(columns)

    await reset(auth, await a_link(auth))

    assert await auth.rows(columns) == before


async def test_a_link_works_once(auth: AuthHarness) -> None:
    await auth.register()
    link = await a_link(auth)
    await reset(auth, link)

    await refused(auth, link)


async def test_a_link_used_twice_at_once_works_once(auth: AuthHarness) -> None:
    await auth.register()
    link = await a_link(auth)

    results = await asyncio.gather(
        *(reset(auth, link, f"Another{number}horse") for number in range(4)), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["NoneType"] + ["PermissionDenied"] * 3


async def test_a_refused_password_does_not_use_up_the_link(auth: AuthHarness) -> None:
    await auth.register()
    link = await a_link(auth)

    with pytest.raises(errors.InvalidArgument) as caught:
        await reset(auth, link, NEW, "Yet1another")
    await reset(auth, link)

    assert caught.value.fields == {"password": MISMATCH}
    assert (await auth.login(password=NEW)).token


async def test_a_link_is_refused_after_another_password_change(auth: AuthHarness) -> None:
    jane = await auth.user((await auth.register_verified()).token)
    link = await a_link(auth)
    await jane.ChangePassword(
        pb.ChangePasswordRequest(current_password=PASSWORD, password=NEW, password_confirmation=NEW)
    )

    await refused(auth, link)
    assert (await auth.login(password=NEW)).token


async def test_a_link_is_refused_after_a_change_of_address_and_after_deletion(auth: AuthHarness) -> None:
    await auth.register()
    link = await a_link(auth)

    await auth.change("UPDATE user_account SET email = 'other@example.com'")
    await refused(auth, link)
    await auth.change("DELETE FROM user_account")
    await refused(auth, link)


async def test_a_link_is_refused_after_an_hour(auth: AuthHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    await auth.register()
    start = db.now()
    monkeypatch.setattr(links, "now", lambda: start - timedelta(minutes=60, seconds=1))
    over = await a_link(auth)
    monkeypatch.setattr(links, "now", lambda: start - timedelta(minutes=59))
    alive = await a_link(auth)

    await refused(auth, over)
    await reset(auth, alive)


async def test_a_token_for_another_purpose_is_refused(auth: AuthHarness) -> None:
    registered = await auth.register()
    omar = await auth.register(email="omar@example.com")
    header, payload, signature = (await a_link(auth)).split(".")
    [(omars_hash,)] = await auth.rows("SELECT password_hash FROM user_account WHERE id = 2")
    _, omars, _ = links.sign(
        SECRET, "reset", omar.user.id, "omar@example.com", links.seal_of(SECRET, omars_hash)
    ).split(".")

    await refused(auth, "")
    await refused(auth, f"{header}.{omars}.{signature}")
    await refused(auth, f"{header}.{payload}.")
    await refused(auth, links.sign(SECRET, "verify", registered.user.id, "jane@example.com"))
    await refused(auth, links.sign(SECRET, "reset", registered.user.id, "jane@example.com"))
    await refused(auth, (await auth.authenticate(registered.token)).internal_tokens["auth"])
    assert await auth.is_valid(registered.token)


async def test_an_unknown_address_gets_the_same_answer_and_no_mail(auth: AuthHarness) -> None:
    await auth.register_verified()

    await forgot(auth, "nobody@example.com")

    sent = await events(auth, "auth.mail_wanted", pb.MailWanted)
    assert [mail.template for mail in sent] == ["verify"]


@pytest.mark.parametrize("email", ["no address", "", "jane\0@example.com"])
async def test_text_that_is_not_an_address_is_refused(auth: AuthHarness, email: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await forgot(auth, email)

    assert list(caught.value.fields) == ["email"]


async def test_a_user_gets_at_most_one_mail_a_minute(auth: AuthHarness) -> None:
    await auth.register_verified()
    await auth.register_verified(email="omar@example.com")
    await auth.change("UPDATE user_account SET last_mail_at = NULL")

    for _ in range(3):
        await forgot(auth)
    await forgot(auth, "omar@example.com")
    await auth.change("UPDATE user_account SET last_mail_at = last_mail_at - interval '61 seconds'")
    await forgot(auth)

    sent = await events(auth, "auth.mail_wanted", pb.MailWanted)
    assert [mail.user_id for mail in sent if mail.template == "reset"] == [1, 2, 1]


async def test_a_login_gets_no_token_if_the_password_is_reset_meanwhile(auth: AuthHarness) -> None:
    """The old password was still right when it was checked."""
    await auth.register_verified()

    async with locked_user(auth) as resetting:
        login = asyncio.create_task(auth.login())
        await until_a_lock_is_awaited(auth)
        await resetting.execute(sa.text("DELETE FROM token"))
        await resetting.execute(sa.text("UPDATE user_account SET password_hash = 'another'"))
    with pytest.raises(errors.Unauthenticated) as caught:
        await login

    assert caught.value.reason == "invalid_credentials"
    assert await auth.rows("SELECT 1 FROM token") == []


async def test_only_the_gateway_may_reset_passwords(auth: AuthHarness) -> None:
    jane = await auth.user((await auth.register()).token)

    for call in (
        jane.ForgotPassword(pb.ForgotPasswordRequest()),
        jane.ResetPassword(pb.ResetPasswordRequest()),
        auth.operator.ResetPassword(pb.ResetPasswordRequest()),
        auth.gateway.ChangePassword(pb.ChangePasswordRequest()),
    ):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call
        assert caught.value.reason == "caller_refused"
