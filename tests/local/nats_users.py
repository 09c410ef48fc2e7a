"""Connections with the credentials of services, and what the broker refuses to them."""

import contextlib
from collections.abc import AsyncGenerator, Sequence

import nats
import nats.errors
from nats.aio.client import Client

from common import bus
from loupe_local.stores import Stores
from tests.polling import until

STREAMS = (
    *("AUTH", "BILLING", "IMAGES", "CLIENT_EVENTS", "QUEUE", "RESULTS", "OUTBOUND", "LIMITS", "DEAD"),
    "AUDIT",
)


class Heard:
    """A connection with a service's credential, and the errors that the broker sent to it."""

    def __init__(self, client: Client, errors: list[str]) -> None:
        self.client, self._errors = client, errors
        self._marks = 0

    async def may_publish(self, *subjects: str) -> list[str]:
        """Publish on each subject, and return those that the broker did not refuse."""
        for subject in subjects:
            await self.client.publish(subject, b"{")
        return await self._not_refused(subjects)

    async def may_listen(self, *subjects: str) -> list[str]:
        found = [await self.client.subscribe(subject) for subject in subjects]
        allowed = await self._not_refused(subjects)
        for subscription in found:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()
        return allowed

    async def _not_refused(self, subjects: Sequence[str]) -> list[str]:
        """The broker answers in order, and always refuses a mark."""
        self._marks += 1
        mark = f"mark.{self._marks}"
        await self.client.publish(mark, b"")
        await until(lambda: any(f'"{mark}"' in error for error in self._errors))
        return [each for each in subjects if not any(f'"{each}"'.lower() in error for error in self._errors)]


@contextlib.asynccontextmanager
async def connected(stores: Stores, user: str) -> AsyncGenerator[Heard]:
    errors: list[str] = []

    async def on_error(error: Exception) -> None:
        errors.append(str(error).lower())

    url = stores.nats_url(user)
    client = await nats.connect(url, error_cb=on_error, inbox_prefix=bus.inbox_prefix(url))
    try:
        yield Heard(client, errors)
    finally:
        await client.close()
