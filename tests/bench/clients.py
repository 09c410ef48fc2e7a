"""Measures what the clients cost: the command `loupe` beside curl, and the Python SDK beside httpx2."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from loupe_local.stack import Stack
from tests.bench.figures import Figure
from tests.bench.measure import MIB
from tests.bench.replayed import replayed
from tests.client import client_of, upload_image, wait_for_status
from tests.gateway.harness import People
from tests.pixels import encoded

LOUPE = str(Path(sys.executable).with_name("loupe"))
PICTURES, PARALLEL, SIDE = 200, 8, 64
FILES, EARLY = 10_000, 2_000
"""The run whose memory is measured, and after how many files it must have what it needs."""
CURL = """\
url="$LOUPE_URL/api/images/upscale"
answer=$(curl -fsS -H "Authorization: Bearer $LOUPE_TOKEN" -H 'Prefer: wait=60' -F image=@"$1" "$url")
link=$(printf %s "$answer" | grep -o '"download_url": *"[^"]*"' | cut -d'"' -f4)
curl -fsS -o "$2/${1##*/}" "$link"
"""
"""Sends a picture, waits for its end and fetches the result, in two requests."""
CALLS = 300
OVERHEAD = f"""\
import os, statistics, sys, time
import httpx2
from loupe_client import Loupe
url, token, image = os.environ["LOUPE_URL"], os.environ["LOUPE_TOKEN"], int(sys.argv[1])
headers = {{"Authorization": f"Bearer {{token}}"}}
def cpu_ms(call):
    for _ in range(20):
        call()
    begun = time.process_time()
    for _ in range({CALLS}):
        call()
    return (time.process_time() - begun) / {CALLS} * 1000
with Loupe(url, token) as loupe, httpx2.Client(headers=headers, trust_env=False) as bare:
    rounds = [
        cpu_ms(lambda: loupe.images.get(image))
        - cpu_ms(lambda: bare.get(f"{{url}}/api/images/{{image}}").json())
        for _ in range(3)
    ]
print(statistics.median(rounds))
"""
IMPORT = "import time; begun = time.process_time(); import loupe_client; print(time.process_time() - begun)"


@dataclass(frozen=True, slots=True)
class Costs:
    command_over_curl: float
    """Pictures a second by the command, divided by those of curl in parallel."""
    cpu_ms_per_call: float
    """CPU of a call of the SDK beyond that of httpx2."""
    import_ms: float
    memory_growth: float
    """Memory of the command at the end of a run of 10,000 files, divided by that after 2,000."""

    def figures(self) -> dict[str, Figure]:
        return {
            "command_rate_over_parallel_curl": Figure(self.command_over_curl, at_least=0.95),
            "sdk_cpu_ms_per_call_over_httpx2": Figure(self.cpu_ms_per_call, at_most=2),
            "sdk_import_cpu_ms": Figure(self.import_ms, at_most=150),
            "command_memory_after_10000_files_over_2000": Figure(self.memory_growth, at_most=1.1),
        }


async def costs(running: Stack, rounds: int) -> Costs:
    async with client_of(running, running.token) as client:
        image_id = await upload_image(client, encoded(Image.new("RGB", (16, 16))))
        await wait_for_status(client, image_id, "completed")
    return Costs(
        command_over_curl=await command_over_curl(running, rounds),
        cpu_ms_per_call=await asyncio.to_thread(cpu_ms_per_call, running, image_id),
        import_ms=await asyncio.to_thread(import_ms),
        memory_growth=await memory_growth(running, image_id),
    )


async def command_over_curl(running: Stack, rounds: int) -> float:
    """Return the median of the ratios of the rates. The order of the two changes with each round."""
    people = People(running)
    ratios = list[float]()
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        make_pictures(pictures, PICTURES)
        script = Path(folder) / "curl.sh"
        script.write_text(CURL)
        for number in range(rounds):
            person = await people.new("enterprise")
            environment = {**os.environ, "LOUPE_URL": running.api, "LOUPE_TOKEN": person.token}
            seconds = dict[str, float]()
            for name in ("loupe", "curl") if number % 2 else ("curl", "loupe"):
                place = Path(folder) / f"{name}-{number}"
                place.mkdir()
                upscale = f"{LOUPE} upscale {pictures} -o {place} --jobs {PARALLEL}"
                if name == "curl":
                    upscale = f"ls {pictures}/* | xargs -P {PARALLEL} -I {{}} sh -eu {script} {{}} {place}"
                seconds[name] = await asyncio.to_thread(timed, upscale, environment)
                assert len(list(place.glob("*.jpg"))) == PICTURES, f"{name} has not fetched all results"
            ratios.append(seconds["curl"] / seconds["loupe"])
    return float(np.median(ratios))


def make_pictures(folder: Path, count: int) -> None:
    """Make `count` small pictures, no two of which are the same."""
    folder.mkdir()
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        picture = Image.fromarray(noise).resize((SIDE, SIDE))
        (folder / f"{number:05}.jpg").write_bytes(encoded(picture))


def timed(command: str, environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(["sh", "-euc", command], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def cpu_ms_per_call(running: Stack, image_id: int) -> float:
    """Return the CPU of `images.get` beyond that of the same request by httpx2."""
    environment = {**os.environ, "LOUPE_URL": running.api, "LOUPE_TOKEN": running.token}
    return float(printed([sys.executable, "-c", OVERHEAD, str(image_id)], environment))


def import_ms() -> float:
    """Return the processor time of the shortest import of several: other programs make it longer."""
    return min(float(printed([sys.executable, "-c", IMPORT])) for _ in range(7)) * 1000


def printed(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


async def memory_growth(running: Stack, image_id: int) -> float:
    """Return how the memory of a run of 10,000 files grows, with a server that repeats one answer."""
    with tempfile.TemporaryDirectory() as folder:
        source, place = Path(folder) / "pictures", Path(folder) / "results"
        make_pictures(source, 1)
        for number in range(1, FILES):
            (source / f"{number:05}.jpg").hardlink_to(source / "00000.jpg")
        async with replayed(running, image_id) as url:
            environment = {**os.environ, "LOUPE_URL": url, "LOUPE_TOKEN": "1|x"}
            process = await asyncio.create_subprocess_exec(
                *(LOUPE, "upscale", str(source), "-o", str(place), "--jobs", str(PARALLEL)),
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 20,
            )
            assert process.stdout
            program, memory = psutil.Process(process.pid), dict[int, float]()
            for count in range(1, FILES + 1):
                assert (await process.stdout.readline()).startswith(b"done"), "a file was not upscaled"
                if count in (EARLY, FILES):
                    memory[count] = program.memory_info().rss / MIB
            await process.communicate()
    return memory[FILES] / memory[EARLY]
