"""From the registration to the verified address, over real mail; and links that must not work."""

import asyncio
import base64
import contextlib
import email
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import nats.js.errors
import pytest
from auth_under_test import SECRET, Auth, events
from pydantic import SecretStr

from auth import events as auth_events
from auth import links
from auth.mail import Mailer
from auth.settings import Settings
from common import bus, db, errors, outbox
from common.metrics import Readiness
from loupe.auth.v1 import auth_pb2 as pb
from loupe_local.ports import HOST
from loupe_local.stores import Stores

PUBLIC_URL = "https://loupe.example.com"
LINK = re.compile(rf"{re.escape(PUBLIC_URL)}/api/email/verify/(\S+)")


@contextlib.asynccontextmanager
async def mailing(auth: Auth, stores: Stores) -> AsyncGenerator[None]:
    """The loops of the service that turn its events into mails."""
    url = stores.database_url("auth")
    settings = Settings(
        database_url=url,
        nats_url=stores.nats_url("auth"),
        secret=SecretStr(SECRET),
        clients={},
        public_url=PUBLIC_URL,
        smtp_host=HOST,
        smtp_port_number=stores.smtp.port,
    )
    mails = auth_events.Mails(auth.sessions, Mailer(settings), secret=SECRET, public_url=PUBLIC_URL)
    async with bus.connection(stores.nats_url("auth"), "tests", Readiness("broker")) as client:
        js = client.jetstream()
        with contextlib.suppress(nats.js.errors.NotFoundError):
            await js.delete_stream("AUTH")
        await bus.declare(js, auth_events.STREAM, bus.DEAD)
        loops = [
            asyncio.create_task(outbox.relay(auth.sessions, js, url)),
            asyncio.create_task(bus.consume(js, auth_events.MAIL_WANTED, mails.wanted)),
        ]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)


async def mail_to(folder: Path, address: str) -> EmailMessage:
    async with asyncio.timeout(20):
        while not (found := sorted(folder.glob(f"*-{address}.eml"))):
            await asyncio.sleep(0.02)
    return email.message_from_bytes(found[-1].read_bytes(), EmailMessage, policy=default)


async def verify(auth: Auth, token: str) -> pb.User:
    return (await auth.gateway.VerifyEmail(pb.VerifyEmailRequest(token=token))).user


async def refused(auth: Auth, token: str) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await verify(auth, token)
    assert caught.value.reason == "invalid_signature"
    assert caught.value.message == "This link is invalid or has expired."


async def test_the_link_in_the_mail_verifies_the_address(auth: Auth, stores: Stores) -> None:
    async with mailing(auth, stores):
        registered = await auth.register(name="Jane Smith", email="jane.by.mail@example.com")
        mail = await mail_to(stores.mails, "jane.by.mail@example.com")
    link = LINK.search(mail.get_content())
    assert link

    user = await verify(auth, link[1])

    assert mail["Subject"] == "Verify your email address"
    assert mail["To"] == "jane.by.mail@example.com"
    assert "Hello Jane Smith," in mail.get_content()
    assert user.id == registered.user.id
    assert user.HasField("email_verified_at")
    assert (await auth.login("jane.by.mail@example.com")).token


async def test_an_international_address_gets_its_mail(auth: Auth, stores: Stores) -> None:
    async with mailing(auth, stores):
        await auth.register(email="jané@bücher.example.com")

        mail = await mail_to(stores.mails, "jan*")

    assert LINK.search(mail.get_content())


async def test_a_link_may_be_opened_twice(auth: Auth) -> None:
    registered = await auth.register()
    token = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")

    first = await verify(auth, token)
    second = await verify(auth, token)

    assert first == second
    assert first.email_verified_at == second.email_verified_at


async def test_verifying_tells_the_caches(auth: Auth) -> None:
    registered = await auth.register()

    await verify(auth, links.sign(SECRET, "verify", registered.user.id, "jane@example.com"))

    assert await events(auth, "auth.user_changed", pb.UserChanged) == [pb.UserChanged(user_id=1)]


async def test_a_link_ends_after_an_hour(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    registered = await auth.register()
    start = db.now()
    monkeypatch.setattr(links, "now", lambda: start - timedelta(minutes=60, seconds=1))
    over = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")
    monkeypatch.setattr(links, "now", lambda: start - timedelta(minutes=59))
    alive = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")

    await refused(auth, over)
    assert (await verify(auth, alive)).HasField("email_verified_at")


async def test_an_altered_link_is_refused(auth: Auth) -> None:
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


async def test_a_link_signed_by_anybody_else_is_refused(auth: Auth) -> None:
    registered = await auth.register()
    token = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")

    await refused(auth, links.sign("x" * 40, "verify", registered.user.id, "jane@example.com"))
    await refused(auth, f"{header}.{token.split('.')[1]}.")


async def test_a_link_for_another_purpose_is_refused(auth: Auth) -> None:
    registered = await auth.register()

    await refused(auth, links.sign(SECRET, "reset-password", registered.user.id, "jane@example.com"))


async def test_an_internal_token_is_no_link(auth: Auth) -> None:
    registered = await auth.register()

    await refused(auth, (await auth.authenticate(registered.token)).internal_tokens["auth"])


async def test_a_link_to_an_address_that_changed_is_refused(auth: Auth) -> None:
    registered = await auth.register()
    token = links.sign(SECRET, "verify", registered.user.id, "jane@example.com")
    await auth.change("UPDATE user_account SET email = 'other@example.com'")

    await refused(auth, token)
    assert await auth.rows("SELECT email_verified_at FROM user_account") == [(None,)]


async def test_a_mail_that_the_server_refuses_is_tried_again(auth: Auth, stores: Stores) -> None:
    async with mailing(auth, stores):
        await stores.supervisor.stop("smtp")
        await auth.register(email="patient@example.com")
        await asyncio.wait_for(_is_relayed(auth), 10)
        await stores.supervisor.restart("smtp")

        mail = await mail_to(stores.mails, "patient@example.com")

    assert LINK.search(mail.get_content())


async def _is_relayed(auth: Auth) -> None:
    while await auth.rows("SELECT 1 FROM outbox"):
        await asyncio.sleep(0.02)
