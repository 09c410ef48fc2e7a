"""None of several users takes all places."""

import asyncio
import contextlib

import pytest

from common.shares import Shares


async def test_a_user_takes_its_share_and_waits_for_more_while_others_go_on() -> None:
    shares = Shares(2)

    async with shares.place("omar"):
        async with shares.place("omar"), shares.place("jane"):
            waiting = asyncio.create_task(
                contextlib.AsyncExitStack().enter_async_context(shares.place("omar"))
            )
            await asyncio.sleep(0)
            assert not waiting.done()
            assert not await shares.has_room("omar", 0)
            assert await shares.has_room("jane", 0)
        await waiting

    assert await shares.has_room("omar", 0)


async def test_a_wait_that_takes_too_long_ends_without_a_place() -> None:
    shares = Shares(1)

    async with shares.place("omar"):
        with pytest.raises(TimeoutError):
            async with shares.place("omar", 0.001):
                pass

    async with shares.place("omar", 0):
        pass


async def test_a_cancelled_wait_takes_no_place() -> None:
    shares = Shares(1)
    async with shares.place("omar"):
        waiting = asyncio.create_task(contextlib.AsyncExitStack().enter_async_context(shares.place("omar")))
        await asyncio.sleep(0)

        waiting.cancel()
        await asyncio.wait({waiting})

    assert await shares.has_room("omar", 0)


async def test_a_user_without_a_name_has_no_limit() -> None:
    shares = Shares(1)

    async with shares.place(""), shares.place(""):
        assert await shares.has_room("", 0)
