"""Borrows the warm test stack, if there is one, for a test run."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loupe_local.stack import Stack
from tests.warm.connection import NotUsable, connected
from tests.warm.folder import FOLDER, address, is_locked
from tests.warm.remote import connect

START_SECONDS, LEND_SECONDS = 180.0, 150.0


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a run may use a warm stack. Runs of all tests and of CI start their own."""
    chosen, is_ci = environment.get("LOUPE_TEST_STACK"), environment.get("CI")
    return not chosen and not is_ci and "PYTEST_XDIST_WORKER" not in environment


@asynccontextmanager
async def borrowed(say: Callable[[str], None], folder: Path = FOLDER) -> AsyncGenerator[Stack | None]:
    """Yield the warm stack, made as good as new, or None if this run must start its own."""
    stack = None
    async with contextlib.AsyncExitStack() as connections:
        try:
            if (restarted := await _borrow(connections, say, folder)) is not None:
                stack = await connect(folder, has_restarted=bool(restarted))
        except NotUsable as reason:
            say(f"The warm test stack {reason}; this run starts its own.")
        yield stack


async def _borrow(
    connections: contextlib.AsyncExitStack, say: Callable[[str], None], folder: Path
) -> dict[str, str] | None:
    """Borrow the stack for as long as the connections are open. Return what was restarted, and why.

    Return None if there is no warm stack.
    """
    if not is_locked(folder):
        if Path(address(folder)).exists():
            raise NotUsable("was killed")
        return None
    deadline, is_said = time.monotonic() + START_SECONDS, False
    while is_locked(folder) and time.monotonic() < deadline:
        match await _ask_to_lend(connections, folder):
            case {"restarted": restarted}:
                say(f"The tests use the warm test stack.{_sentences(restarted)}")
                return restarted
            case {"error": error}:
                raise RuntimeError(f"the warm test stack cannot run this code: {error}")
            case {"again": reason} if not is_said:
                say(f"The warm test stack starts ({reason}); this run waits for it.")
                is_said = True
            case {"busy": True}:
                raise NotUsable("is used by another run")
            case _:
                await asyncio.sleep(0.1)
    raise NotUsable(f"did not start, and {folder / 'stack.log'} says why")


async def _ask_to_lend(connections: contextlib.AsyncExitStack, folder: Path) -> dict[str, Any]:
    try:
        connection = await connections.enter_async_context(connected(address(folder)))
        return await connection.ask({"do": "lend"}, LEND_SECONDS)
    except OSError:  # it has no socket before it is ready
        return {"again": "it is not ready yet"}


def _sentences(restarted: Mapping[str, str]) -> str:
    return "".join(f" {name} was restarted: {reason}." for name, reason in restarted.items())
