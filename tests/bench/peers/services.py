"""Measures Loupe as a whole, and a bare server, through their HTTP interfaces."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import httpx2
import psutil

from loupe_local.stack import Stack
from tests.bench.measure import cpu_seconds_of_all, repeated, share_mib
from tests.bench.peers.running import GRAPH, HERE, PYTHON, Result
from tests.client import client_of, download_result, upload_image, upscale, wait_for_status

CLIENTS, IMAGES = 8, 16
PORT = 38_471
Work = Callable[[], Awaitable[object]]


async def loupe(running: Stack, data: bytes, result: Path, *, client_token: str) -> Result:
    """Return what one picture costs all of Loupe.

    The peak is that of Triton and the worker, with each shared page counted once.
    """
    supervisor = running.stores.supervisor
    pids = [supervisor.pid("triton"), supervisor.pid("inference")]
    async with client_of(running, client_token) as client:

        async def work() -> None:
            fields = {"scale_factor": 4, "output_format": "png", "model": "faithful"}
            image_id = await upload_image(client, data, "photo.png", **fields)
            await wait_for_status(client, image_id, "completed", seconds=900, every=0.25)
            result.write_bytes(await download_result(client, image_id))

        before, started = cpu_seconds_of_system(), time.perf_counter()
        task, peak = asyncio.ensure_future(work()), 0.0
        while not task.done():
            peak = max(peak, await asyncio.to_thread(share_mib_of_all, pids))
            await asyncio.wait([task], timeout=0.2)
        await task
    spent = {"seconds": time.perf_counter() - started, "peak_mib": peak}
    return {**spent, "cpu_seconds": cpu_seconds_of_system() - before}


def cpu_seconds_of_system() -> float:
    """Return the CPU seconds of all that this process has started. Its own are those of a client."""
    return cpu_seconds_of_all(each.pid for each in psutil.Process().children())


def share_mib_of_all(pids: list[int]) -> float:
    return sum(map(share_mib, pids))


async def refusal(running: Stack, data: bytes, token: str) -> str:
    """Return what Loupe answers to a picture that is too large."""
    async with client_of(running, token) as client:
        answer = await upscale(client, data, "huge.png", scale_factor=4)
    return f"{answer.status_code}: {next(iter(answer.json().get('errors', {'': ['taken']}).values()))[0]}"


async def loupe_images_per_second(running: Stack, data: bytes, token: str) -> float:
    async with client_of(running, token) as client:

        async def work() -> None:
            image_id = await upload_image(client, data, scale_factor=4, model="faithful")
            await wait_for_status(client, image_id, "completed", seconds=600, every=0.25)

        return await images_per_second(work)


async def bare_images_per_second(data: bytes) -> float:
    async with bare_server() as client:

        async def work() -> None:
            (await client.post("/upscale", content=data)).raise_for_status()

        return await images_per_second(work)


async def images_per_second(work: Work) -> float:
    await work()
    started = time.perf_counter()
    await repeated(IMAGES, CLIENTS, work)
    return IMAGES / (time.perf_counter() - started)


@contextlib.asynccontextmanager
async def bare_server() -> AsyncGenerator[httpx2.AsyncClient]:
    process = subprocess.Popen([PYTHON, HERE / "bare_server.py", GRAPH, str(PORT)])  # noqa: ASYNC220
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=600) as client:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx2.TransportError):
                    await client.get("/")
                    break
                await asyncio.sleep(0.1)
            yield client
    finally:
        process.kill()
        process.wait()
