"""A delivery whose process is killed is made again."""

import asyncio

import httpx2

from loupe_local.stack import Stack
from tests.client import client_of
from tests.gateway.harness import People
from tests.outbound.receiver import answer, receiver
from tests.polling import until


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer nothing until outbound is gone."""
    await reader.read()


async def created(client: httpx2.AsyncClient, url: str) -> tuple[int, str]:
    made = (await client.post("/api/webhooks", json={"url": url})).json()["data"]
    return made["webhook"]["id"], made["secret"]


async def test_a_delivery_under_way_is_made_again_under_the_same_id_after_a_kill(stack: Stack) -> None:
    person = await People(stack).new("professional")
    async with client_of(stack, person.token) as client, receiver(silence, answer(204)) as target:
        webhook_id, secret = await created(client, target.url)
        await client.post(f"/api/webhooks/{webhook_id}/test")
        await until(lambda: target.received)

        await stack.stores.supervisor.kill("outbound")
        await stack.stores.supervisor.restart("outbound")
        await until(lambda: len(target.received) == 2, 60)

    first, again = target.received
    assert first.event_id == again.event_id
    assert first.verified(secret) == again.verified(secret)
