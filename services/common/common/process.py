"""The life of a service process: wait for dependencies, run the loops together, drain on SIGTERM.

If one loop fails, the process ends with its error and is started again from outside. This way a service never
runs with some of its loops missing.
"""

import asyncio
import contextlib
import ctypes
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from common import errors, log, trace
from common.repeated import Repeated
from common.rpc_failures import outage_of

LOG = log.get(__name__)
REPEATED = Repeated(LOG)
T = TypeVar("T")
LONGEST_PAUSE_SECONDS = 5.0
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Parameters of mallopt(3), which only glibc has."""
REMIND_AFTER_SECONDS = 10.0
LARGEST_REUSED_BYTES = 1 << 20
GC_THRESHOLDS = (10_000, 50, 100)
UNFINISHED_STEPS = set[asyncio.Task[None]]()
"""References to tasks that are running. Without them, the tasks could be garbage-collected."""


def main(
    run: Callable[[], Coroutine[Any, Any, None]], *, largest_reused_bytes: int = LARGEST_REUSED_BYTES
) -> None:
    """Run a service's `run` on uvloop until it ends.

    The process reuses freed blocks of memory up to `largest_reused_bytes`, and returns larger ones to the
    system.
    """
    _return_freed_memory(largest_reused_bytes)
    _collect_garbage_less_often()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    finally:
        trace.finish()


def _collect_garbage_less_often() -> None:
    """Collect garbage less often, and never look at what was imported. Both save CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _return_freed_memory(largest_reused_bytes: int) -> None:
    """Make glibc return large freed blocks to the system.

    By default it reuses up to 32 MiB of them in each of many arenas. A service that once hashed passwords or
    received an upload would then stay that large.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, largest_reused_bytes)
        libc.mallopt(M_ARENA_MAX, 2)


async def run(*loops: Coroutine[Any, Any, None]) -> None:
    """Run the loops until one fails, or SIGTERM or SIGINT arrives. Then cancel all, so that they drain."""
    stopped = asyncio.Event()
    event_loop = asyncio.get_running_loop()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        event_loop.add_signal_handler(stop_signal, stopped.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop, name=loop.__qualname__) for loop in loops]
        await stopped.wait()
        LOG.info("stop signal received", action="finishing open work, then exiting")
        for task in tasks:
            task.cancel()


async def run_together(*loops: Coroutine[Any, Any, None]) -> None:
    """Run the loops until one fails or this call is cancelled. Then cancel all of them.

    Unlike `run`, it ignores signals, so it can run inside one of the loops of `run`.
    """
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop, name=loop.__qualname__)


async def wait_for(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until it succeeds, and return its result. Log the first failure, then one every 10 s."""
    pause, since_logged = 0.1, REMIND_AFTER_SECONDS
    while True:
        try:
            result = await attempt()
        except Exception as error:  # noqa: BLE001  any error means that it is not ready yet
            if since_logged >= REMIND_AFTER_SECONDS:
                LOG.warning(
                    "dependency not ready",
                    what=what,
                    error=log.error_text(error),
                    action="trying again until it is ready",
                )
                since_logged = 0.0
            await asyncio.sleep(pause)
            since_logged += pause
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            LOG.info("dependency ready", what=what)
            return result


async def finish(step: Coroutine[Any, Any, None]) -> None:
    """Run a step to its end, also if this task has been cancelled or is cancelled meanwhile."""
    task = asyncio.create_task(step)
    UNFINISHED_STEPS.add(task)
    task.add_done_callback(UNFINISHED_STEPS.discard)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.shield(task)


def end_if_cancelled() -> None:
    """Raise `CancelledError` if this task has been cancelled. Endless loops call this in each round.

    `asyncio.wait_for`, which nats-py and psycopg use, loses a cancellation that arrives together with the
    result (python/cpython#81839, fixed in 3.12).
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


async def every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Call `step` until cancelled, and pause after each call. If it fails, log that and go on."""
    while True:
        try:
            await step()
        except Exception as error:  # noqa: BLE001  any error: the next attempt may succeed
            _report_step(getattr(step, "__qualname__", repr(step)), error, f"next attempt in {seconds:g} s")
        end_if_cancelled()
        await asyncio.sleep(seconds)


def _report_step(step: str, error: Exception, action: str) -> None:
    """Log an outage of something else in one line, and any other error with its traceback."""
    if isinstance(error, errors.Unavailable) or outage_of(error):
        text = log.error_text(error)
        REPEATED.warning(
            "periodic step failed", cause=(step, type(error)), step=step, error=text, action=action
        )
    else:
        LOG.error("periodic step failed", step=step, action=action, exc_info=error)
