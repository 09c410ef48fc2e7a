"""Measures what a small picture costs, by process: `.venv/bin/python -m tests.bench.small [SIDE]`.

It uploads JPEGs of 64 x 64 (or `SIDE`), eight at a time, and enlarges them four times with `faithful`.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from httpx2 import AsyncClient
from PIL import Image

from loupe_local.log import to_file
from loupe_local.service_names import NAMES
from loupe_local.stack import Stack, stack
from tests.bench.measure import cpu_seconds_of_all, repeated
from tests.bench.overhead import STORES
from tests.bench.pipeline import PHOTO
from tests.client import client_of, upload_image, wait_for_status
from tests.pixels import encoded

PICTURES, AT_ONCE, SCALE = 200, 8, 4


async def enlarge(client: AsyncClient, data: bytes, count: int) -> None:
    ids = list[int]()

    async def upload() -> None:
        ids.append(await upload_image(client, data, scale_factor=SCALE, model="faithful"))

    await repeated(count, AT_ONCE, upload)
    for image_id in ids:
        await wait_for_status(client, image_id, "completed", seconds=600, every=0.5)


async def measure(running: Stack, side: int) -> None:
    """Print images per second, and milliseconds of processor time per image."""
    photo = Image.open(PHOTO).convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    data, supervisor = encoded(photo, quality=95), running.stores.supervisor
    pids = {name: supervisor.pid(name) for name in (*NAMES, *STORES, "triton")}
    async with client_of(running, running.token) as client:
        await enlarge(client, data, 10)
        before = {name: cpu_seconds_of_all([pid]) for name, pid in pids.items()}
        started = time.perf_counter()
        await enlarge(client, data, PICTURES)
        seconds = time.perf_counter() - started
        spent = {name: cpu_seconds_of_all([pid]) - before[name] for name, pid in pids.items()}
    print(f"{PICTURES / seconds:6.1f} images a second of {side} x {side}")
    for name, each in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{1000 * each / PICTURES:6.1f} ms {name}")
    print(f"{1000 * sum(spent.values()) / PICTURES:6.1f} ms together")


async def run(side: int) -> None:
    with tempfile.TemporaryDirectory(prefix="loupe-bench-") as folder:
        async with stack(Path(folder) / "state", sink=to_file(Path(folder) / "log")) as running:
            await measure(running, side)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 64))
