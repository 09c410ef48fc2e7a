"""Waiting for dependencies, and calling steps periodically."""

import asyncio

import pytest

from common import process
from tests.polling import until


async def test_waiting_ends_with_the_result_of_the_first_success() -> None:
    attempts = 0

    async def attempt() -> str:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ConnectionRefusedError("not yet")
        return f"attempt {attempts}"

    assert await asyncio.wait_for(process.wait_for("database", attempt), 10) == "attempt 3"


async def test_waiting_can_be_cancelled() -> None:
    async def attempt() -> None:
        raise ConnectionRefusedError("never")

    waiting = asyncio.create_task(process.wait_for("database", attempt))
    await asyncio.sleep(0)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_cancelled_attempt_is_not_taken_for_a_failure() -> None:
    async def attempt() -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(process.wait_for("database", attempt))
    await asyncio.sleep(0)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 5)


async def test_one_failing_loop_ends_all() -> None:
    ended = asyncio.Event()

    async def fails() -> None:
        raise ValueError("broken")

    async def stays() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ExceptionGroup) as caught:
        await process.run_together(stays(), fails())

    assert caught.group_contains(ValueError, match="broken")
    assert ended.is_set()


async def test_a_failing_periodic_step_is_called_again() -> None:
    steps = 0

    async def step() -> None:
        nonlocal steps
        steps += 1
        raise ValueError("broken")

    loop = asyncio.create_task(process.every(0.01, step))

    await until(lambda: steps >= 3)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
