"""Auth's mails on their way from the outbox to the mail server."""

import asyncio
import contextlib
import email
from collections.abc import AsyncGenerator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import nats.js.errors
from auth_under_test import SECRET, Auth
from pydantic import SecretStr

from auth import events
from auth.mail import Mailer
from auth.settings import Settings
from common import bus, outbox
from common.metrics import Readiness
from loupe_local.ports import HOST
from loupe_local.stores import Stores

PUBLIC_URL = "https://loupe.example.com"


def mails_of(auth: Auth, stores: Stores, *, reset_url: str = "") -> events.Mails:
    settings = Settings(
        database_url=stores.database_url("auth"),
        nats_url=stores.nats_url("auth"),
        secret=SecretStr(SECRET),
        clients={},
        public_url=PUBLIC_URL,
        reset_url=reset_url,
        smtp_host=HOST,
        smtp_port_number=stores.smtp.port,
    )
    return events.Mails(auth.sessions, Mailer(settings), settings)


@contextlib.asynccontextmanager
async def mailing(auth: Auth, stores: Stores) -> AsyncGenerator[None]:
    """The loops of the service that turn its events into mails."""
    async with bus.connection(stores.nats_url("auth"), "tests", Readiness("broker")) as client:
        js = client.jetstream()
        with contextlib.suppress(nats.js.errors.NotFoundError):
            await js.delete_stream("AUTH")
        await bus.declare(js, events.STREAM, bus.DEAD)
        loops = [
            asyncio.create_task(outbox.relay(auth.sessions, js, stores.database_url("auth"))),
            asyncio.create_task(bus.consume(js, events.MAIL_WANTED, mails_of(auth, stores).wanted)),
        ]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)


async def mail_to(folder: Path, address: str, subject: str = "") -> EmailMessage:
    """The newest mail to this address, or the newest of that subject; waited for."""
    async with asyncio.timeout(20):
        while not (found := [mail for mail in _mails(folder, address) if subject in mail["Subject"]]):
            await asyncio.sleep(0.02)
    return found[-1]


def _mails(folder: Path, address: str) -> list[EmailMessage]:
    paths = sorted(folder.glob(f"*-{address}.eml"))
    return [email.message_from_bytes(path.read_bytes(), EmailMessage, policy=default) for path in paths]
