"""Measures CPU seconds and memory of processes, and starts the minimal server to compare with."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

import httpx2
import psutil

from loupe_local.stack import Stack

MIB = 1 << 20


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def cpu_seconds_of_all(pids: Iterable[int]) -> float:
    """Return the CPU seconds of these processes and all that they started."""
    return sum(cpu_seconds(each.pid) for pid in pids for each in _family(pid))


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process and all that it started."""
    return sum(each.memory_info().rss for each in _family(pid)) / MIB


def share_mib(pid: int) -> float:
    """Return the proportional set size: the process's own pages, and its share of pages that it shares."""
    return sum(each.memory_full_info().pss for each in _family(pid)) / MIB


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


async def growth_mib(pid: int, work: Awaitable[object]) -> float:
    """Return how far the process's memory rose during the work."""
    before = peak = memory_mib(pid)
    task = asyncio.ensure_future(work)
    while not task.done():
        peak = max(peak, memory_mib(pid))
        await asyncio.sleep(0.02)
    await task
    return peak - before


@contextlib.asynccontextmanager
async def hello_server() -> AsyncGenerator[tuple[str, int]]:
    """Run the minimal server. Yield its address and its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = f"from tests.bench.hello import serve; serve({port})"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    try:
        await until_answering(f"http://127.0.0.1:{port}/hello")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        await process.wait()


async def until_answering(url: str) -> None:
    """Return once a request to this address succeeds."""
    async with asyncio.timeout(30), httpx2.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if (await client.get(url)).is_success:
                    return
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def without_images(running: Stack) -> AsyncGenerator[None]:
    """Stop the images service, which would take the rows. Return once the gateway reaches it again."""
    await running.stores.supervisor.stop("images")
    try:
        yield
    finally:
        await running.stores.supervisor.restart("images")
        await until_answering(f"{running.api}/readyz")


async def repeated(count: int, parallel: int, call: Callable[[], Awaitable[object]]) -> None:
    """Make `count` calls, `parallel` at a time."""
    left = iter(range(count))

    async def make_calls() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(make_calls() for _ in range(parallel)))
