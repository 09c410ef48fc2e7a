"""The whole system against the bare model, and how soon work starts."""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from client import accepted, client_of, until
from PIL import Image
from pixels import encoded

from bench.measure import repeated
from loupe_local.stack import Stack
from loupe_local.triton import MODELS

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "astronaut.png"
MODEL = MODELS / "span_x4" / "1" / "model.onnx"
IMAGES = 8
STARTS = 30
STARTED = "SELECT extract(epoch FROM started_at - created_at) FROM image WHERE id = ANY(%s)"


async def seconds_to_start(running: Stack) -> float:
    """Median from the image's row to the start of its work, one image at a time."""
    async with client_of(running, running.other_token) as client:
        data, ids = encoded(Image.new("RGB", (16, 16))), list[int]()
        for _ in range(STARTS):
            ids.append(await accepted(client, data))
            await until(client, ids[-1], "completed")
    url = running.stores.database_url("images").replace("postgresql+psycopg", "postgresql")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        rows = await (await connection.execute(STARTED, (ids,))).fetchall()
    return statistics.median(float(seconds) for (seconds,) in rows)


async def throughput(running: Stack, rounds: int) -> float:
    """Images a second through everything, over one process that only decodes, infers and encodes."""
    data = encoded(Image.open(PHOTO).convert("RGB"))
    ours, bare = list[float](), list[float]()
    for _ in range(rounds):
        bare.append(await _bare(data))
        ours.append(await _through_everything(running, data))
    return statistics.median(bare) / statistics.median(ours)


async def _through_everything(running: Stack, data: bytes) -> float:
    async with client_of(running, running.token) as client:

        async def one() -> None:
            ids.append(await accepted(client, data, scale_factor=4))

        ids = [await accepted(client, data, scale_factor=4)]
        await until(client, ids.pop(), "completed")
        started = time.perf_counter()
        await repeated(IMAGES, 4, one)
        for image_id in ids:
            await until(client, image_id, "completed", seconds=300)
        return time.perf_counter() - started


async def _bare(data: bytes) -> float:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(data)
        file.flush()
        threads = str(os.cpu_count() or 1)
        command = [sys.executable, "-m", "bench.bare", str(MODEL), threads, str(IMAGES), file.name, "JPEG"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
    assert process.returncode == 0
    return float(out)
