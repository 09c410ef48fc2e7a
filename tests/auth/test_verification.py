"""Verifying an address by a link in a real mail, and links that must not work."""

import asyncio
import base64
import re
from datetime import timedelta

import pytest

from auth import links
from common import db, errors
from loupe.auth.v1 import auth_pb2 as pb
from loupe_local.mailbox import newest_mail_to
from loupe_local.stores import Stores
from tests.auth.harness import SECRET, AuthHarness, events
from tests.auth.mail_sending import PUBLIC_URL, mail_sender, sending_mails

LINK = re.compile(rf"{re.escape(PUBLIC_URL)}/verify-email/(\S+)")


async def verify(auth: AuthHarness, token: str) -> pb.User:
    return (await auth.gateway.VerifyEmail(pb.VerifyEmailRequest(token=token))).user


async def refused(auth: AuthHarness, token: str) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await verify(auth, token)
    assert caught.value.reason == "invalid_signature"
    assert caught.value.message == "This link is invalid or has expired."


async def test_the_link_in_the_mail_verifies_the_address(auth: AuthHarness, stores: Stores) -> None:
    async with sending_mails(auth, stores):
        registered = await auth.register(name="Jane Smith", email="jane.by.mail@example.com")
        mail = await newest_mail_to(stores.mails, "jane.by.mail@example.com")
    link = LINK.search(mail.get_content())
    assert link

    user = await verify(auth, link[1])

    assert mail["Subject"] == "Verify your email address"
    assert mail["To"] == "jane.by.mail@example.com"
    assert "Jane Smith" not in mail.as_string()
    assert user.id == registered.user.id
    assert user.HasField("email_verified_at")
    assert (await auth.login("jane.by.mail@example.com")).token


async def test_an_international_address_gets_its_mail(auth: AuthHarness, stores: Stores) -> None:
    async with sending_mails(auth, stores):
        await auth.register(email="jané@bücher.example.com")

        mail = await newest_mail_to(stores.mails, "jan*")

    assert LINK.search(mail.get_content())


async def test_a_link_may_be_opened_twice(auth: AuthHarness) -> None:
    registered = await auth.register()
    token = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")

    first = await verify(auth, token)
    second = await verify(auth, token)

    assert first == second
    assert first.email_verified_at == second.email_verified_at


async def test_verifying_publishes_a_change_of_the_user(auth: AuthHarness) -> None:
    registered = await auth.register()

    await verify(auth, links.sign(SECRET, "verify", registered.user.id, "jane@example.com"))

    assert await events(auth, "auth.user_changed", pb.UserChanged) == [pb.UserChanged(user_id=1)]


async def test_a_link_is_refused_after_an_hour(auth: AuthHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    registered = await auth.register()
    start = db.now()
    monkeypatch.setattr(links, "now", lambda: start - timedelta(minutes=60, seconds=1))
    over = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")
    monkeypatch.setattr(links, "now", lambda: start - timedelta(minutes=59))
    alive = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")

    await refused(auth, over)
    assert (await verify(auth, alive)).HasField("email_verified_at")


async def test_an_altered_link_is_refused(auth: AuthHarness) -> None:
    registered = await auth.register()
    omar = await auth.register(email="omar@example.com")
    header, payload, signature = links.sign(SECRET, "verify", registered.user.id, "jane@example.com").split(
        "."
    )
    _, anothers, _ = links.sign(SECRET, "verify", omar.user.id, "omar@example.com").split(".")

    await refused(auth, f"{header}.{anothers}.{signature}")
    await refused(auth, f"{header}.{payload}.{signature[:-4]}AAAA")
    await refused(auth, f"{header}.{payload}.")
    await refused(auth, "")
    await refused(auth, "no token at all")
    assert await auth.rows("SELECT 1 FROM user_account WHERE email_verified_at IS NOT NULL") == []


async def test_a_link_signed_with_another_secret_is_refused(auth: AuthHarness) -> None:
    registered = await auth.register()
    token = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")

    await refused(auth, links.sign("x" * 40, "verify", registered.user.id, "jane@example.com"))
    await refused(auth, f"{header}.{token.split('.')[1]}.")


async def test_a_link_for_another_purpose_is_refused(auth: AuthHarness) -> None:
    registered = await auth.register()

    await refused(auth, links.sign(SECRET, "reset", registered.user.id, "jane@example.com"))


async def test_an_internal_token_is_not_accepted_as_a_link(auth: AuthHarness) -> None:
    registered = await auth.register()

    await refused(auth, (await auth.authenticate(registered.token)).internal_tokens["auth"])


async def test_a_link_to_a_former_address_is_refused(auth: AuthHarness) -> None:
    registered = await auth.register()
    token = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")
    await auth.change("UPDATE user_account SET email = 'other@example.com'")

    await refused(auth, token)
    assert await auth.rows("SELECT email_verified_at FROM user_account") == [(None,)]


async def test_a_link_to_a_deleted_account_is_refused(auth: AuthHarness) -> None:
    registered = await auth.register()
    token = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")
    await auth.change("DELETE FROM user_account")

    await refused(auth, token)


async def test_the_mail_is_sent_again_at_most_once_a_minute(auth: AuthHarness) -> None:
    again = pb.ResendVerificationRequest(email=" JANE@example.com")
    await auth.register()
    await auth.change("UPDATE user_account SET last_mail_at = last_mail_at - interval '61 seconds'")

    for _ in range(3):
        await auth.gateway.ResendVerification(again)

    wanted = pb.MailWanted(user_id=1, template="verify", email="jane@example.com")
    assert await events(auth, "auth.mail_wanted", pb.MailWanted) == [wanted] * 2


async def test_many_requests_at_once_cause_one_mail(auth: AuthHarness) -> None:
    await auth.register()
    await auth.change("UPDATE user_account SET last_mail_at = NULL")

    await asyncio.gather(
        *(
            auth.gateway.ResendVerification(pb.ResendVerificationRequest(email="jane@example.com"))
            for _ in range(8)
        )
    )

    assert len(await events(auth, "auth.mail_wanted", pb.MailWanted)) == 2


@pytest.mark.parametrize("email", ["jane@example.com", "nobody@example.com", "no address", ""])
async def test_verified_and_unknown_addresses_get_no_mail(auth: AuthHarness, email: str) -> None:
    await auth.register_verified()
    await auth.change("UPDATE user_account SET last_mail_at = NULL")

    await auth.gateway.ResendVerification(pb.ResendVerificationRequest(email=email))

    assert len(await events(auth, "auth.mail_wanted", pb.MailWanted)) == 1


async def test_a_former_address_gets_no_mail(auth: AuthHarness, stores: Stores) -> None:
    await auth.register(email="moved@example.com")
    await auth.register(email="gone@example.com")
    wanted = await auth.rows("SELECT payload FROM outbox WHERE subject = 'auth.mail_wanted' ORDER BY id")
    await auth.change("UPDATE user_account SET email = 'new@example.com' WHERE email = 'moved@example.com'")
    await auth.change("DELETE FROM user_account WHERE email = 'gone@example.com'")

    for (payload,) in wanted:
        await mail_sender(auth, stores).send(payload)

    assert len(wanted) == 2
    for address in ("moved@example.com", "gone@example.com", "new@example.com"):
        assert not list(stores.mails.glob(f"*-{address}.eml"))


async def test_a_mail_is_retried_while_the_mail_server_is_away(auth: AuthHarness, stores: Stores) -> None:
    async with sending_mails(auth, stores):
        await stores.supervisor.stop("smtp")
        await auth.register(email="patient@example.com")
        await asyncio.wait_for(_is_relayed(auth), 10)
        await stores.supervisor.restart("smtp")

        mail = await newest_mail_to(stores.mails, "patient@example.com")

    assert LINK.search(mail.get_content())


async def _is_relayed(auth: AuthHarness) -> None:
    while await auth.rows("SELECT 1 FROM outbox"):
        await asyncio.sleep(0.02)
