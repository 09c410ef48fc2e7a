"""The parts of auth that turn events into mails, running against the local mail server."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import nats.js.errors
from pydantic import SecretStr

from auth import events
from auth.mail import Mailer
from auth.settings import Settings
from common import bus, outbox
from common.audit import STREAM
from common.metrics import Readiness
from loupe_local.ports import HOST
from loupe_local.stores import Stores
from tests.auth.harness import SECRET, AuthHarness

PUBLIC_URL = "https://loupe.example.com"


def mail_sender(
    auth: AuthHarness, stores: Stores, *, reset_url: str = "", mails_per_day: int = 20
) -> events.Mails:
    settings = Settings(
        database_url=stores.database_url("auth"),
        nats_url=stores.nats_url("auth"),
        secret=SecretStr(SECRET),
        clients={},
        public_url=PUBLIC_URL,
        reset_url=reset_url,
        mails_per_day=mails_per_day,
        smtp_host=HOST,
        smtp_port_number=stores.smtp.port,
    )
    return events.Mails(auth.sessions, Mailer(settings), settings)


@contextlib.asynccontextmanager
async def sending_mails(auth: AuthHarness, stores: Stores) -> AsyncGenerator[None]:
    """Run the relay and the consumer that send mails."""
    async with bus.connection(stores.nats_url("operator"), "tests", Readiness("broker")) as client:
        js = client.jetstream()
        with contextlib.suppress(nats.js.errors.NotFoundError):
            await js.delete_stream("AUTH")
        await bus.declare(js, events.EVENTS, STREAM, bus.DEAD)
        sender = mail_sender(auth, stores)
        loops = [
            asyncio.create_task(outbox.relay(auth.sessions, js, stores.database_url("auth"))),
            asyncio.create_task(bus.consume(js, events.MAIL_WANTED, sender.send)),
            asyncio.create_task(bus.consume(js, events.NOTICE_WANTED, sender.notify)),
        ]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
