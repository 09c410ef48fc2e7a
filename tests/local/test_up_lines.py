"""`make up` as a person sees it."""

import asyncio
import contextlib
import json
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from loupe_local import ports
from tests.contract.api_client import CORRUPT, SMALL

SECONDS = 120
STAGES = (
    "database", "broker", "object store", "mail", "Triton", "migrations", "services", "users"
)  # fmt: skip


class Up:
    """A `make up` in a folder of its own, and the lines that it has printed."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def until(self, text: str) -> str:
        """Wait for a line that contains the text. Return it."""
        while text not in await self.next():
            pass
        return self.lines[-1]

    async def next(self) -> str:
        """Return the next line."""
        async with asyncio.timeout(SECONDS):
            line = await self._output.readline()
        assert line, self.lines
        self.lines.append(line.decode().rstrip("\n"))
        return self.lines[-1]

    async def stop(self) -> int:
        """Stop it as Ctrl-C does. Return the exit status."""
        self.process.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(self.process.communicate(), SECONDS)
        self.lines += rest.decode().splitlines()
        return self.process.returncode or 0

    @property
    def _output(self) -> asyncio.StreamReader:
        assert self.process.stdout is not None
        return self.process.stdout


@contextlib.asynccontextmanager
async def up(home: Path, *arguments: str) -> AsyncGenerator[Up]:
    process = await start(home, "up", *arguments)
    try:
        yield Up(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def start(home: Path, *arguments: str) -> Process:
    argv = (sys.executable, "-m", "loupe_local", "--state", str(home / ".loupe" / "local"), *arguments)
    return await asyncio.create_subprocess_exec(*argv, stdout=PIPE, stderr=STDOUT, cwd=home)


async def output_of(process: Process) -> tuple[int, str]:
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    return process.returncode or 0, output.decode()


def client(home: Path) -> httpx2.AsyncClient:
    facts = json.loads((home / ".loupe" / "local.json").read_text())
    headers = {"Authorization": f"Bearer {facts['token']}"}
    return httpx2.AsyncClient(base_url=facts["api"], headers=headers, timeout=60)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".loupe").mkdir()
    return tmp_path


async def upload(jane: httpx2.AsyncClient, name: str, data: bytes) -> None:
    files, form = {"image": (name, data)}, {"scale_factor": "2"}
    answer = await jane.post("/api/images/upscale", files=files, data=form)
    assert answer.status_code == 202, answer.text


async def usage(jane: httpx2.AsyncClient) -> tuple[str, bool]:
    """Return the plan, and whether it is unlimited."""
    data = (await jane.get("/api/usage")).json()["data"]
    return data["plan"], data["image_uploads"]["unlimited"]


async def test_a_person_sees_stages_images_and_what_goes_wrong(home: Path) -> None:
    port = ports.allocate(["api"], {})["api"]
    api = f"http://127.0.0.1:{port}"

    async with up(home, "--port", str(port)) as first:
        await first.until("gets a line here")
        ready = len(first.lines)
        async with client(home) as jane:
            first_usage = await usage(jane)
            await upload(jane, "cat\x1b[31m.jpg", SMALL)
            await upload(jane, "bad.tiff", CORRUPT)
        images = sorted([await first.until("image "), await first.next()], key=lambda line: line[9:])
        second_status, second_output = await output_of(await start(home, "up"))
        status = await first.stop()

    assert_readable(first.lines, ready)
    assert f"Loupe is ready at {api}" in first.lines
    assert first_usage == ("professional", True)
    assert images[0].endswith(" s")
    assert ".jpg  24x16 -> 48x32  " in images[0]
    assert images[1].endswith("bad.tiff  64x64  failed: The image is corrupt or incomplete.")
    assert second_status != 0
    assert second_output.startswith(f"loupe: another Loupe is running at {api}, ")
    assert second_output.count("\n") == 1
    assert (status, first.lines[-1]) == (0, "Loupe has stopped.")


def assert_readable(lines: list[str], ready: int) -> None:
    """Check the lines of a start, of which the first `ready` are those before the first image."""
    assert all(any(line.startswith(f"  {stage} ") for line in lines[:ready]) for stage in STAGES)
    assert any("no monthly quota" in line for line in lines[:ready])
    assert not any("\x1b" in line or "FATAL" in line or "SeaweedFS Mini" in line for line in lines)
