"""The life of a service process: wait for dependencies, run the loops together, drain on SIGTERM.

If one loop fails, the process ends with its error and is started again from outside. So a service never runs
with half of its loops.
"""

import asyncio
import contextlib
import ctypes
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from common import log, trace

LOG = log.get(__name__)
T = TypeVar("T")
MAX_PAUSE_SECONDS = 5.0
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Parameters of mallopt(3) in glibc. Without glibc they are not used."""
REMIND_AFTER_SECONDS = 10.0
KEPT_BYTES = 1 << 20
GC_THRESHOLDS = (10_000, 50, 100)


def main(run: Callable[[], Coroutine[Any, Any, None]], *, kept_bytes: int = KEPT_BYTES) -> None:
    """Run a service's `run` on uvloop until it ends.

    Freed blocks of memory up to `kept_bytes` are reused by the process. Larger ones go back to the system.
    """
    _return_freed_memory(kept_bytes)
    _collect_less_garbage()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    finally:
        trace.finish()


def _collect_less_garbage() -> None:
    """Exclude imported objects from garbage collection, and collect less often. Both save CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _return_freed_memory(kept_bytes: int) -> None:
    """Make glibc return large freed blocks to the system.

    By default it keeps up to 32 MiB of them for each of many arenas. A service that once hashed passwords or
    received an upload would stay that large.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, kept_bytes)
        libc.mallopt(M_ARENA_MAX, 2)


async def run(*loops: Coroutine[Any, Any, None]) -> None:
    """Run the loops until one fails, or SIGTERM or SIGINT arrives. Then cancel all, so that they drain."""
    stopped = asyncio.Event()
    event_loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        event_loop.add_signal_handler(name, stopped.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop, name=loop.__qualname__) for loop in loops]
        await stopped.wait()
        LOG.info("stop signal received", action="finishing open work, then exiting")
        for task in tasks:
            task.cancel()


async def together(*loops: Coroutine[Any, Any, None]) -> None:
    """Run the loops side by side. All end if one fails or this call is cancelled."""
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop, name=loop.__qualname__)


async def wait_for(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until it succeeds, and return its result. Log the first failure, then one every 10 s."""
    pause, silent = 0.1, REMIND_AFTER_SECONDS
    while True:
        try:
            result = await attempt()
        except Exception as error:  # noqa: BLE001  any error means that it is not ready yet
            if silent >= REMIND_AFTER_SECONDS:
                LOG.warning(
                    "dependency not ready",
                    what=what,
                    error=f"{type(error).__name__}: {error}",
                    action="trying again until it is ready",
                )
                silent = 0.0
            await asyncio.sleep(pause)
            silent += pause
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
        else:
            LOG.info("dependency ready", what=what)
            return result


def end_if_cancelled() -> None:
    """Raise `CancelledError` if this task has been cancelled. Endless loops call this in each round.

    `asyncio.wait_for`, which nats-py and psycopg use, loses a cancellation that arrives together with the
    result (python/cpython#81839, fixed in 3.12).
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


async def every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Call `step` again and again. If it fails, log that and go on."""
    while True:
        try:
            await step()
        except Exception:
            LOG.exception(
                "periodic step failed",
                step=getattr(step, "__qualname__", repr(step)),
                action=f"next attempt in {seconds:g} s",
            )
        end_if_cancelled()
        await asyncio.sleep(seconds)
