"""Measures how long a delivery takes while another user's wait for a host that never answers."""

import asyncio
import statistics
import time

from loupe_local.stack import Stack
from tests.client import client_of
from tests.gateway.harness import People
from tests.outbound.receiver import Receiver, receiver
from tests.polling import until

WAITING = 100_000
ROUNDS = 60
ADD = """
    INSERT INTO delivery (user_id, webhook_id, lane_id, host, event_id, type, about_webhook_id, occurred_at,
        status, due_at, attempts, created_at)
    SELECT user_id, webhook_id, id, host, gen_random_uuid()::text, 'webhook.test', webhook_id, now(),
        'waiting', now(), 0, now() FROM lane, generate_series(1, %s) WHERE webhook_id = %s
"""
MAKE_DUE = (
    "UPDATE lane SET next_at = now() WHERE webhook_id = %s",
    "UPDATE turn SET next_at = now() WHERE user_id = (SELECT user_id FROM lane WHERE webhook_id = %s)",
)


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer nothing until outbound hangs up."""
    await reader.read()


async def delivery_over_idle(running: Stack) -> tuple[float, float]:
    """Return the median ms of a delivery while 100,000 wait for a dead host, and its ratio to that when none
    waits.
    """
    people = People(running)
    async with receiver() as target, receiver(_silence) as dead:
        idle = await _median_ms(running, people, target)
        await _queue(running, people, dead)
        busy = await _median_ms(running, people, target)
    return busy, busy / idle


async def _queue(running: Stack, people: People, dead: Receiver) -> None:
    """Let a user have 100,000 deliveries due to the dead host, and wait until the first are under way."""
    async with client_of(running, (await people.new("professional")).token) as client:
        made = await client.post("/api/webhooks", json={"url": dead.url})
    webhook_id = made.json()["data"]["webhook"]["id"]
    await people.execute_sql("outbound", ADD, WAITING, webhook_id)
    for statement in MAKE_DUE:
        await people.execute_sql("outbound", statement, webhook_id)
    await until(lambda: dead.received, 60)


async def _median_ms(running: Stack, people: People, target: Receiver) -> float:
    """Return the median time from a request for a test event until its receiver has it."""
    times: list[float] = []
    async with client_of(running, (await people.new("professional")).token) as client:
        made = await client.post("/api/webhooks", json={"url": target.url})
        path = f"/api/webhooks/{made.json()['data']['webhook']['id']}/test"
        for _ in range(ROUNDS):
            count, started = len(target.received), time.perf_counter()
            assert (await client.post(path)).status_code == 202
            while len(target.received) == count:
                await asyncio.sleep(0.001)
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000
