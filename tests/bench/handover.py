"""Measures how soon another worker has the image of a worker that is told to stop."""

import asyncio
import statistics
import time
from dataclasses import replace

import psycopg

from loupe_local.ports import HOST
from loupe_local.probes import http_ok
from loupe_local.process import Process
from loupe_local.stack import Stack
from tests.bench.absolute import photo
from tests.client import client_of, upload_image, wait_for_status

ROUNDS = 7
MEGAPIXELS = 1
"""The work on the picture takes longer than the start of a worker."""
SECOND = "inference.second"
ATTEMPT = "SELECT attempt FROM image WHERE id = %s"
LONGEST_SECONDS = 60.0


async def median_seconds(running: Stack) -> float:
    """Return the median time from a worker's SIGTERM to the start of the next attempt by another worker."""
    supervisor, data = running.stores.supervisor, photo(MEGAPIXELS)
    await supervisor.start(_second_worker(running))
    seconds = list[float]()
    for _ in range(ROUNDS):
        await supervisor.stop(SECOND)
        seconds.append(await _seconds_of_one(running, data))
        await supervisor.restart("inference")
    await supervisor.stop(SECOND)
    return statistics.median(seconds)


def _second_worker(running: Stack) -> Process:
    ports = running.stores.supervisor.state.ports(f"{SECOND}.metrics")
    listen = f"{HOST}:{ports[f'{SECOND}.metrics']}"
    first = running.services.process("inference")
    env = {**first.env, "INFERENCE_METRICS_LISTEN": listen}
    return replace(first, name=SECOND, env=env, ready=http_ok(HOST, ports[f"{SECOND}.metrics"]))


async def _seconds_of_one(running: Stack, data: bytes) -> float:
    """Let the first worker begin an image, stop it, and return the seconds until the second one begins it."""
    supervisor = running.stores.supervisor
    url = running.stores.database_url("images").replace("postgresql+psycopg", "postgresql")
    async with (
        client_of(running, running.token) as client,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        image_id = await upload_image(client, data, scale_factor=4)
        await wait_for_status(client, image_id, "processing")
        await supervisor.restart(SECOND)
        started = time.perf_counter()
        stopping = asyncio.create_task(supervisor.stop("inference"))
        async with asyncio.timeout(LONGEST_SECONDS):
            while await _attempts(connection, image_id) < 2:
                await asyncio.sleep(0.005)
        seconds = time.perf_counter() - started
        await stopping
        (await client.delete(f"/api/images/{image_id}")).raise_for_status()
    return seconds


async def _attempts(connection: psycopg.AsyncConnection, image_id: int) -> int:
    row = await (await connection.execute(ATTEMPT, (image_id,))).fetchone()
    return row[0] if row else 0
