"""Measures how much longer a user's small image takes while another user keeps the system busy.

Each figure is the median time of one user's images under that load, divided by the median without any load,
in the same run. The load is 400 or 1,000 queued images of the other user, or an attack.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import httpx2
from PIL import Image

from loupe_local.stack import Stack
from tests.bench import attacks
from tests.bench.absolute import photo
from tests.bench.pipeline import PHOTO
from tests.client import client_of, upload_image, wait_for_status
from tests.e2e.batching import create_batch
from tests.pixels import encoded

SIDE = 256
"""Side of a small picture. Its result has a megapixel."""
SCALE = 4
IMAGES_PER_BATCH = 20
ROUNDS = 5
LARGE_MEGAPIXELS, LARGE_SCALE = 12, 2
LONGEST_SECONDS = 600.0
Load = Callable[[Stack], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of images of the other user that are queued."""

    small: int = 400
    many: int = 1000


async def over_idle(running: Stack, counts: Counts) -> dict[str, float]:
    """Return the ratio under each load."""
    small = small_picture()
    large = photo(LARGE_MEGAPIXELS)
    loads: dict[str, Load] = {
        f"{counts.small}_small": lambda stack: queued(stack, small, SCALE, counts.small),
        f"{counts.many}_small": lambda stack: queued(stack, small, SCALE, counts.many),
        f"{counts.many}_large": lambda stack: queued(stack, large, LARGE_SCALE, counts.many),
        "jpegs_of_many_scans": lambda stack: repeating(stack, attacks.jpeg_of_many_scans()),
        "tiffs_of_shared_strips": lambda stack: repeating(stack, attacks.tiff_of_shared_strips()),
        "held_uploads": attacks.held_uploads,
    }
    await seconds_of_one(running, small)  # the first one is slower
    idle = await median_seconds(running, small)
    ratios = dict[str, float]()
    for name, load in loads.items():
        async with load(running):
            ratios[name] = await median_seconds(running, small) / idle
    return ratios


def small_picture() -> bytes:
    return encoded(Image.open(PHOTO).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


async def median_seconds(running: Stack, data: bytes) -> float:
    return statistics.median([await seconds_of_one(running, data) for _ in range(ROUNDS)])


async def seconds_of_one(running: Stack, data: bytes) -> float:
    """Return the seconds from the upload of an image to its result."""
    async with client_of(running, running.other_token) as client:
        started = time.perf_counter()
        image_id = await upload_image(client, data, scale_factor=SCALE)
        await wait_for_status(client, image_id, "completed", seconds=LONGEST_SECONDS)
        return time.perf_counter() - started


@asynccontextmanager
async def queued(running: Stack, data: bytes, scale: int, count: int) -> AsyncGenerator[None]:
    """Queue `count` images of the other user. Cancel the rest at the end."""
    async with client_of(running, running.token) as client:
        batches = list[int]()
        for first in range(0, count, IMAGES_PER_BATCH):
            files = [("photo.jpg", data)] * min(IMAGES_PER_BATCH, count - first)
            batches.append((await create_batch(client, files, scale_factor=scale))["id"])
        yield
        for batch_id in batches:
            if (await client.get(f"/api/batches/{batch_id}")).json()["data"]["status"] != "completed":
                await client.delete(f"/api/batches/{batch_id}")
        await until_idle(client)


async def until_idle(client: httpx2.AsyncClient) -> None:
    """Wait until no image of the user is being worked on any more."""
    for status in ("pending", "processing"):
        async with asyncio.timeout(LONGEST_SECONDS):
            while (await client.get("/api/images", params={"status": status})).json()["data"]:
                await asyncio.sleep(0.5)


@asynccontextmanager
async def repeating(running: Stack, data: bytes, parallel: int = 4) -> AsyncGenerator[None]:
    """Upload the same file again and again, as the other user, whatever the answers."""

    async def upload_for_ever() -> None:
        async with client_of(running, running.token) as client:
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    await client.post("/api/images/upscale", files={"image": ("bomb", data)}, data=form)
                await asyncio.sleep(1)

    form = {"scale_factor": str(LARGE_SCALE)}
    uploading = [asyncio.create_task(upload_for_ever()) for _ in range(parallel)]
    await asyncio.sleep(5)
    yield
    for task in uploading:
        task.cancel()
    await asyncio.gather(*uploading, return_exceptions=True)
