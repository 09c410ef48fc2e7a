"""Measures uploads that clients put into the object store themselves."""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import httpx2
import numpy as np
from PIL import Image

from loupe_local.stack import Stack
from tests.bench.figures import Figure
from tests.bench.measure import cpu_seconds, repeated
from tests.client import client_of, wait_for_status
from tests.gateway.harness import People
from tests.pixels import encoded

PARALLEL, FILES, ROUNDS = 8, 16, 8
FILE_BYTES = 10 << 20
SMALL_UPLOADS = 100


@dataclass(frozen=True, slots=True)
class Costs:
    """The throughput of direct uploads, and the work of the gateway for one."""

    mb_per_second: float
    """The throughput of eight uploads at a time, each prepared at the gateway and put into the store."""
    over_store_client: float
    """This throughput, divided by that of the store's own client with eight threads."""
    gateway_cpu_ms: float
    """CPU time of the gateway to prepare an upload and to accept the image."""

    def figures(self) -> dict[str, Figure]:
        return {
            "direct_uploads_mb_per_second": Figure(self.mb_per_second),
            "direct_uploads_mb_per_second_over_store_client": Figure(self.over_store_client, at_least=0.9),
            "gateway_cpu_ms_per_direct_upload": Figure(self.gateway_cpu_ms, at_most=5),
        }


async def costs(running: Stack) -> Costs:
    people, gateway = People(running), running.stores.supervisor.pid("gateway")
    async with httpx2.AsyncClient(timeout=60) as store:
        ours, puts = await _throughputs(running, people, store)
        async with client_of(running, (await people.new("enterprise")).token) as client:
            cpu_ms = await _gateway_cpu_ms(client, store, gateway)
    return Costs(ours, ours / puts, cpu_ms)


async def _throughputs(running: Stack, people: People, store: httpx2.AsyncClient) -> tuple[float, float]:
    """Return MB/s of direct uploads and of the store's own client, which take turns.

    Each round has a user of its own, who may have 100 unused uploads.
    """
    data, blobs = np.random.default_rng(1).bytes(FILE_BYTES), running.stores.s3

    def put() -> None:
        s3 = blobs.client("images")
        s3.put_object(blobs.bucket, "images/bench", io.BytesIO(data), len(data), part_size=1 << 30)

    ours, puts = list[float](), list[float]()
    for _ in range(ROUNDS + 1):
        async with client_of(running, (await people.new("enterprise")).token) as client:
            ours.append(await _seconds(partial(_store, client, store, data)))
        puts.append(await _seconds(lambda: asyncio.to_thread(put)))
    megabytes = FILES * FILE_BYTES / 1e6
    return megabytes / float(np.median(ours[1:])), megabytes / float(np.median(puts[1:]))


async def _seconds(call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await repeated(FILES, PARALLEL, call)
    return time.perf_counter() - started


async def _gateway_cpu_ms(client: httpx2.AsyncClient, store: httpx2.AsyncClient, pid: int) -> float:
    data, ids = encoded(Image.new("RGB", (16, 16))), list[int]()

    async def upload() -> None:
        body = {"upload_id": await _store(client, store, data)}
        accepted = await client.post("/api/images/upscale", json=body)
        ids.append(accepted.raise_for_status().json()["data"]["id"])

    await repeated(PARALLEL, PARALLEL, upload)
    before = cpu_seconds(pid)
    await repeated(SMALL_UPLOADS, PARALLEL, upload)
    cpu = cpu_seconds(pid) - before
    for image_id in ids:
        await wait_for_status(client, image_id, "completed")
    return cpu * 1000 / SMALL_UPLOADS


async def _store(client: httpx2.AsyncClient, store: httpx2.AsyncClient, data: bytes) -> str:
    """Prepare a direct upload and put the file into the store. Return its id."""
    prepared = await client.post("/api/uploads", json={"filename": "photo.jpg", "size": len(data)})
    upload = prepared.raise_for_status().json()["data"]
    put = await store.request(upload["method"], upload["url"], content=data, headers=upload["headers"])
    put.raise_for_status()
    return upload["id"]
