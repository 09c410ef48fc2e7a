"""A receiver of webhooks for both users. It writes down which endings it was told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from standardwebhooks import WebhookVerificationError

from loupe.contract import BATCH_ENDINGS, IMAGE_ENDINGS
from tests.chaos.journal import Journal
from tests.chaos.world import World
from tests.outbound.receiver import Received, answer, receiver

TYPES = (*IMAGE_ENDINGS, *BATCH_ENDINGS)


@asynccontextmanager
async def webhooks(running: World, journal: Journal) -> AsyncGenerator[None]:
    """Receive the endings of both users on the loopback meanwhile."""
    secrets = list[str]()

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while found.received:
            _note(found.received.pop(), secrets, journal)
        writer.write(answer())
        await writer.drain()

    async with receiver(note) as found, httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        for token in (running.stack.token, running.stack.other_token):
            created = await http.post(
                f"{running.gateways[0]}/api/webhooks",
                json={"url": found.url, "types": TYPES},
                headers={"Authorization": f"Bearer {token}"},
            )
            secrets.append(created.raise_for_status().json()["data"]["secret"])
        yield


def _note(received: Received, secrets: list[str], journal: Journal) -> None:
    if not any(_is_signed(received, secret) for secret in secrets):
        journal.wrong_answers.append(f"a webhook has a wrong signature: {received.head[:200]}")
        return
    kind = received.event["type"].partition(".")[0]
    journal.delivered.add((kind, received.event["data"]["id"]))


def _is_signed(received: Received, secret: str) -> bool:
    try:
        received.verified(secret)
    except WebhookVerificationError:
        return False
    return True
