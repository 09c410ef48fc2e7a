"""Measures the whole system against the bare process, and how soon work on an image starts."""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from PIL import Image

from loupe_local.stack import Stack
from loupe_local.triton import MODELS
from tests.bench.measure import cpu_seconds_of_all, repeated
from tests.client import client_of, upload_image, wait_for_status
from tests.pixels import encoded

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "astronaut.png"
MODEL = MODELS / "span_x4" / "1" / "model.onnx"
IMAGES = 8
STARTS = 30
STARTED = "SELECT extract(epoch FROM started_at - created_at) FROM image WHERE id = ANY(%s)"


async def seconds_to_start(running: Stack) -> float:
    """Return the median time from an image's row to the start of its work, one image at a time."""
    async with client_of(running, running.other_token) as client:
        data, ids = encoded(Image.new("RGB", (16, 16))), list[int]()
        for _ in range(STARTS):
            ids.append(await upload_image(client, data))
            await wait_for_status(client, ids[-1], "completed")
    url = running.stores.database_url("images").replace("postgresql+psycopg", "postgresql")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        rows = await (await connection.execute(STARTED, (ids,))).fetchall()
    return statistics.median(float(seconds) for (seconds,) in rows)


async def throughput(running: Stack, rounds: int) -> tuple[float, float]:
    """Return two medians: the system's images per second over the bare process's, and how busy the cores are.

    The second is a share from 0 to 1, measured while jobs wait.
    """
    data = encoded(Image.open(PHOTO).convert("RGB"))
    ratios, busy = list[float](), list[float]()
    for _ in range(rounds):
        bare = await _bare(data)
        seconds, share = await _through_the_system(running, data)
        ratios.append(bare / seconds)
        busy.append(share)
    return statistics.median(ratios), statistics.median(busy)


async def _through_the_system(running: Stack, data: bytes) -> tuple[float, float]:
    """Return the seconds for all images, and the share of the cores' time used while jobs waited."""
    async with client_of(running, running.token) as client:

        async def upload() -> None:
            ids.append(await upload_image(client, data, scale_factor=4))

        ids = [await upload_image(client, data, scale_factor=4)]
        await wait_for_status(client, ids.pop(), "completed")
        started, before = time.perf_counter(), cpu_seconds_of_all([os.getpid()])
        await repeated(IMAGES, 4, upload)
        busy = 0.0
        for index, image_id in enumerate(ids):
            await wait_for_status(
                client, image_id, "completed", seconds=300, every=0.25
            )  # polls cost CPU time as well
            if index == IMAGES - 3:
                spent = cpu_seconds_of_all([os.getpid()]) - before
                busy = spent / (time.perf_counter() - started) / (os.cpu_count() or 1)
        return time.perf_counter() - started, busy


async def _bare(data: bytes) -> float:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(data)
        file.flush()
        threads = str(os.cpu_count() or 1)
        command = [
            sys.executable,
            "-m",
            "tests.bench.bare",
            str(MODEL),
            threads,
            str(IMAGES),
            file.name,
            "JPEG",
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
    assert process.returncode == 0
    return float(out)
