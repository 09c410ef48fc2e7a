"""Runs the programs of rendered containers on this machine."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from loupe_local.nats_server import binary
from loupe_local.postgres_home import package
from tests.chart.objects import Object, Release

PROGRAMS = {"python": sys.executable, "nats-server": str(binary("nats-server"))}
SECONDS = 60.0
PATH = f"{package() / 'pginstall' / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
T = TypeVar("T")


def container_of(chart: Release, component: str, name: str = "") -> Object:
    """Return a container of a component by its name, with init containers, or else the first one."""
    (pod,) = [pod for pod in chart.pods if pod.component == component]
    named = [one for one in pod.containers if one["name"] == name]
    return named[0] if name else pod.spec["containers"][0]


def argv_of(container: Object) -> list[str]:
    argv: list[str] = [*container["command"], *container.get("args", [])]
    return [PROGRAMS.get(argv[0], argv[0]), *argv[1:]]


async def ended(argv: list[str], env: Mapping[str, str], cwd: Path | None = None) -> tuple[int | None, str]:
    """Return the status and the output of a program."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={"PATH": PATH, **env},
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


async def run(argv: list[str], env: Mapping[str, str], cwd: Path | None = None) -> str:
    """Return the output of a program that succeeds."""
    status, output = await ended(argv, env, cwd)
    assert status == 0, output
    return output


@asynccontextmanager
async def running(argv: list[str], env: Mapping[str, str], log: Path) -> AsyncGenerator[None]:
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *argv, env={"PATH": PATH, **env}, stdout=sink, stderr=sink
        )
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # it may have ended
                process.terminate()
            await process.wait()


async def eventually(attempt: Callable[[], Awaitable[T]], *errors: type[Exception]) -> T:
    """Repeat the attempt until it succeeds, and return its result."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await attempt()
            except errors:
                await asyncio.sleep(0.1)
