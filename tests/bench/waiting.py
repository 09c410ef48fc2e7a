"""Measures what requests that wait and event streams cost the gateway, and how fast events reach them."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from PIL import Image

from loupe_local.stack import Stack
from tests.bench.measure import cpu_seconds, share_mib
from tests.client import client_of, pause_worker, upload_image, wait_for_status
from tests.gateway.harness import People, Person
from tests.pixels import encoded

USERS, WAITS_PER_USER, STREAMS_PER_USER = 40, 50, 20
WAITS, STREAMS = USERS * WAITS_PER_USER, 500
SETTLE_SECONDS = 3.0
KIB = 1 << 10
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Costs:
    kib_per_wait: float
    cpu_us_per_wait: float
    """CPU time to read the request, wait and answer."""
    kib_per_stream: float
    event_p99_ms: float
    """From the commit of an image's end until the client has the event, while all streams are open."""


async def costs(running: Stack) -> Costs:
    people = People(running)
    users = [await people.new("enterprise") for _ in range(USERS)]
    pid = running.stores.supervisor.pid("gateway")
    kib_per_wait, cpu_us = await _waits(running, users, pid)
    kib_per_stream, p99 = await _streams(running, users, pid)
    return Costs(kib_per_wait, cpu_us, kib_per_stream, p99)


async def _waits(running: Stack, users: list[Person], pid: int) -> tuple[float, float]:
    async with contextlib.AsyncExitStack() as exits:
        with pause_worker(running):
            paths = [(user, await _upload(running, user)) for user in users]
            await asyncio.sleep(SETTLE_SECONDS)
            memory, cpu = share_mib(pid), cpu_seconds(pid)
            waits: list[Connection] = []
            for user, path in paths:
                waits += [
                    await exits.enter_async_context(_request(running, user, f"{path}?wait=120"))
                    for _ in range(WAITS_PER_USER)
                ]
            await asyncio.sleep(SETTLE_SECONDS)
            grown = share_mib(pid) - memory
        answers = await asyncio.gather(*(reader.readline() for reader, _ in waits))
    statuses = Counter(answer[9:12] for answer in answers)
    assert {*statuses} == {b"200"}, statuses
    return grown * KIB / WAITS, (cpu_seconds(pid) - cpu) * 1e6 / WAITS


async def _streams(running: Stack, users: list[Person], pid: int) -> tuple[float, float]:
    delays: list[float] = []
    async with contextlib.AsyncExitStack() as exits, asyncio.TaskGroup() as group:
        memory = share_mib(pid)
        listening: list[asyncio.Task[None]] = []
        for number in range(STREAMS):
            path = "/api/events?types=image.completed"
            reader, _ = await exits.enter_async_context(
                _request(running, users[number // STREAMS_PER_USER], path)
            )
            await reader.readuntil(b"id: ")
            listening.append(group.create_task(_note_delays(reader, delays)))
        await asyncio.sleep(SETTLE_SECONDS)
        grown = share_mib(pid) - memory
        for user in users[: STREAMS // STREAMS_PER_USER]:
            async with client_of(running, user.token) as client:
                image_id = await upload_image(client, encoded(Image.new("RGB", (16, 16))))
                await wait_for_status(client, image_id, "completed")
        await asyncio.sleep(SETTLE_SECONDS)
        for task in listening:
            task.cancel()
    assert len(delays) == STREAMS, len(delays)
    return grown * KIB / STREAMS, float(np.percentile(delays, 99)) * 1000


async def _note_delays(reader: asyncio.StreamReader, delays: list[float]) -> None:
    while line := await reader.readline():
        if line.startswith(b"data: "):
            happened = datetime.fromisoformat(json.loads(line[6:])["timestamp"])
            delays.append(time.time() - happened.timestamp())


async def _upload(running: Stack, user: Person) -> str:
    async with client_of(running, user.token) as client:
        return f"/api/images/{await upload_image(client, encoded(Image.new('RGB', (16, 16))))}"


@contextlib.asynccontextmanager
async def _request(running: Stack, user: Person, path: str) -> AsyncGenerator[Connection]:
    found = re.fullmatch(r"http://(.*):(\d+)", running.api)
    assert found
    reader, writer = await asyncio.open_connection(found[1], int(found[2]))
    head = f"GET {path} HTTP/1.1\r\nHost: {found[1]}\r\nAuthorization: Bearer {user.token}\r\n\r\n"
    writer.write(head.encode())
    try:
        yield reader, writer
    finally:
        writer.close()
