"""A service's life: wait for what it needs, run its loops together, drain on SIGTERM.

One loop failing ends the process with its error: whoever supervises starts it again, and nothing runs on
half.
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
LONGEST_WAIT_SECONDS = 5.0
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""mallopt(3) of glibc; elsewhere nothing happens."""
REMIND_AFTER_SECONDS = 10.0
KEPT_BYTES = 1 << 20
YOUNG_OBJECTS = 10_000


def main(run: Callable[[], Coroutine[Any, Any, None]], *, kept_bytes: int = KEPT_BYTES) -> None:
    """Runs a service's `run` on uvloop until it is told to stop. Blocks of memory of up to `kept_bytes` are
    kept when they are freed, for the next one.
    """
    _give_memory_back(kept_bytes)
    _collect_less_garbage()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    finally:
        trace.finish()


def _collect_less_garbage() -> None:
    """What was imported stays, and need not be looked at again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 50, 100)


def _give_memory_back(kept_bytes: int) -> None:
    """Large blocks go back to the system when they are freed: glibc would keep up to 32 MiB of them for each
    of many arenas, and a service that once hashed passwords or held an upload would stay that large.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, kept_bytes)
        libc.mallopt(M_ARENA_MAX, 2)


async def run(*loops: Coroutine[Any, Any, None]) -> None:
    """Runs the loops until one fails or SIGTERM or SIGINT arrives; then each is cancelled and drains."""
    stopped = asyncio.Event()
    event_loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        event_loop.add_signal_handler(name, stopped.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop, name=loop.__qualname__) for loop in loops]
        await stopped.wait()
        LOG.info("stopping")
        for task in tasks:
            task.cancel()


async def together(*loops: Coroutine[Any, Any, None]) -> None:
    """Runs the loops side by side; when one fails or this is cancelled, all end."""
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop, name=loop.__qualname__)


async def wait_for(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of `attempt`, tried until it succeeds; says what it waits for, at first and every ten
    seconds.
    """
    pause, silent = 0.1, REMIND_AFTER_SECONDS
    while True:
        try:
            result = await attempt()
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, it is not there yet
            if silent >= REMIND_AFTER_SECONDS:
                LOG.warning("waiting", what=what, error=f"{type(error).__name__}: {error}")
                silent = 0.0
            await asyncio.sleep(pause)
            silent += pause
            pause = min(pause * 2, LONGEST_WAIT_SECONDS)
        else:
            LOG.info("connected", what=what)
            return result


def end_if_cancelled() -> None:
    """For loops that would never end otherwise: `asyncio.wait_for`, which nats-py and psycopg wait with,
    loses a cancellation that comes together with the result (python/cpython#81839, until 3.12).
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


async def every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Runs `step` again and again; a failing step is logged and the next one comes all the same."""
    while True:
        try:
            await step()
        except Exception:
            LOG.exception("periodic step failed", step=getattr(step, "__qualname__", repr(step)))
        end_if_cancelled()
        await asyncio.sleep(seconds)
