"""`make bench-absolute`: seconds for photos of 1, 12 and 50 megapixels, and for 50 photos, on this machine.

Run it on a quiet machine. It takes about ten minutes on two cores.
"""

import asyncio
import re
import tempfile
import time
from pathlib import Path

import psutil
from PIL import Image

from loupe_local.log import to_file
from loupe_local.stack import Stack, stack
from tests.bench.measure import MIB
from tests.bench.pipeline import PHOTO
from tests.client import client_of, upload_image, wait_for_status
from tests.pixels import encoded

SIZES = {1: (1155, 866), 12: (4000, 3000), 50: (8100, 6170)}
"""Width and height by megapixels."""
SCALE = 2
PHOTOS = 50
LONGEST_SECONDS = 3600.0


def photo(megapixels: int) -> bytes:
    """Return a JPEG of a photo that was enlarged to this size."""
    picture = Image.open(PHOTO).convert("RGB").resize(SIZES[megapixels], Image.Resampling.LANCZOS)
    return encoded(picture, quality=95 if megapixels < 50 else 85, subsampling=2)


async def seconds_for(running: Stack, data: bytes, count: int = 1) -> float:
    """Return the seconds from the first upload to the last result."""
    async with client_of(running, running.token) as client:
        started = time.perf_counter()
        ids = [await upload_image(client, data, scale_factor=SCALE) for _ in range(count)]
        for image_id in ids:
            await wait_for_status(client, image_id, "completed", seconds=LONGEST_SECONDS, every=0.25)
        return time.perf_counter() - started


def processor() -> str:
    """Return the processor's name and the number of cores."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{found[1] if found else 'unknown processor'}, {psutil.cpu_count()} cores"


def idle_memory_mib() -> float:
    """Return the memory of all processes of the system together, each shared page counted once."""
    return sum(each.memory_full_info().pss for each in psutil.Process().children(recursive=True)) / MIB


async def run() -> None:
    print(processor(), flush=True)
    with tempfile.TemporaryDirectory(prefix="loupe-bench-") as folder:
        async with stack(Path(folder) / "state", sink=to_file(Path(folder) / "log")) as running:
            print(f"idle memory of all processes {idle_memory_mib():9.0f} MiB", flush=True)
            await seconds_for(running, photo(1))
            for megapixels in SIZES:
                seconds = await seconds_for(running, photo(megapixels))
                print(f"{megapixels:2} megapixels, x{SCALE}             {seconds:9.1f} s", flush=True)
            seconds = await seconds_for(running, photo(1), PHOTOS)
            print(f"{PHOTOS} photos of 1 megapixel, x{SCALE}  {seconds:9.1f} s", flush=True)


if __name__ == "__main__":
    asyncio.run(run())
