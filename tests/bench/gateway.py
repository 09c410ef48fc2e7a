"""Measures what the gateway costs, compared with a minimal FastAPI server."""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable

import httpx2
import numpy as np
from PIL import Image

from loupe_local.stack import Stack
from tests.bench.measure import cpu_seconds, growth_mib, hello_server, repeated
from tests.client import client_of, upload_image, wait_for_status
from tests.pixels import encoded

Call = Callable[[], Awaitable[object]]
CALLS = 1500
UPLOADS = 8
NEARLY_TEN_MB = (9_900_000, 10_485_760)


async def get_image_cpu(running: Stack) -> float:
    """Return the gateway's CPU time for a status poll over a minimal server's for its route."""
    gateway_pid = running.stores.supervisor.pid("gateway")
    async with client_of(running, running.token) as client, hello_server() as (hello, hello_pid):
        image_id = await upload_image(client, encoded(Image.new("RGB", (16, 16))))
        await wait_for_status(client, image_id, "completed")
        ours = await _cpu_of(gateway_pid, lambda: client.get(f"/api/images/{image_id}"))
        bare = await _cpu_of(hello_pid, lambda: client.get(f"{hello}/hello"))
    return ours / bare


async def _cpu_of(pid: int, call: Call) -> float:
    await repeated(100, 4, call)
    before = cpu_seconds(pid)
    await repeated(CALLS, 4, call)
    return cpu_seconds(pid) - before


async def uploads(running: Stack) -> tuple[float, float, float]:
    """Measure uploads of 10 MB. Return two ratios of times and the growth of the gateway's memory in MiB.

    The ratios compare an upload with a minimal server that discards the same body, and with the
    object store's own client that stores the same bytes. The worker is stopped meanwhile.
    """
    supervisor = running.stores.supervisor
    data = await asyncio.to_thread(_a_large_file)
    await supervisor.stop("inference")
    async with client_of(running, running.token) as client, hello_server() as (hello, _):
        files = {"image": ("large.jpg", data)}
        ids: list[int] = []

        async def store() -> None:
            ids.append(await upload_image(client, data, "large.jpg"))

        async def discard() -> None:
            await client.post(f"{hello}/discard", files=files)

        async def put() -> None:
            await asyncio.to_thread(_put, running, data)

        await store()
        ours, bare, puts = list[float](), list[float](), list[float]()
        for _ in range(UPLOADS):
            ours.append(await _seconds(store))
            bare.append(await _seconds(discard))
            puts.append(await _seconds(put))
        growth = await growth_mib(supervisor.pid("gateway"), repeated(8, 8, store))
        await _delete(client, ids)
    await supervisor.restart("inference")
    stored = np.median(ours)
    return float(stored / np.median(bare)), float(stored / np.median(puts)), growth


def _put(running: Stack, data: bytes) -> None:
    store = running.stores.s3
    client = store.client("images")
    client.put_object(store.bucket, "images/bench", io.BytesIO(data), len(data), part_size=1 << 30)


def _a_large_file() -> bytes:
    """Return a JPEG of noise just under the limit of an upload."""
    noise = np.random.default_rng(1).integers(0, 256, (1840, 1840, 3), np.uint8)
    picture, quality = Image.fromarray(noise), 100
    while len(data := encoded(picture, quality=quality)) > NEARLY_TEN_MB[1]:
        picture = picture.crop((0, 0, picture.width - 40, picture.height - 40))
    assert len(data) > NEARLY_TEN_MB[0], len(data)
    return data


async def _delete(client: httpx2.AsyncClient, ids: list[int]) -> None:
    for image_id in ids:
        (await client.delete(f"/api/images/{image_id}")).raise_for_status()


async def _seconds(call: Call) -> float:
    started = time.perf_counter()
    await call()
    return time.perf_counter() - started
