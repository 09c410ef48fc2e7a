"""Keeps the whole system running for test runs, lends it to one run at a time, and never with old code.

A test run connects to the socket and borrows the stack until the connection ends. Before that the server
restarts what runs old code. On other connections the run asks to stop, kill and restart processes.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from loupe_local.log import to_file
from loupe_local.service_names import NAMES
from loupe_local.stack import Stack, stack
from tests.overrides import OVERRIDES
from tests.warm import sources
from tests.warm.folder import address

UNFINISHED_SECONDS = 20
UNFINISHED = "SELECT count(*) FROM image WHERE status IN ('pending', 'processing')"

Message = dict[str, Any]


class StartAgain(Exception):
    """The whole stack must start again. The message says why."""


class Server:
    """A running stack, and the state of the sources when its processes were started."""

    def __init__(self, running: Stack, taken: sources.Snapshot) -> None:
        self._stack = running
        self._supervisor = running.stores.supervisor
        self._taken = taken
        self._pids = {name: self._supervisor.pid(name) for name in NAMES}
        self._is_lent = False
        self.start_again: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Its result says why the whole stack must start again."""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection. The first line says what is running, then each request gets one line."""
        borrowed = False
        try:
            await _send(writer, {"variables": sources.variables(), "python": sys.executable})
            while line := await reader.readline():
                request = json.loads(line)
                if request["do"] == "lend" and self._is_lent:
                    await _send(writer, {"busy": True})
                    return
                if request["do"] == "lend":
                    borrowed = self._is_lent = True
                await _send(writer, await self._reply(request))
        except (ConnectionError, asyncio.CancelledError):  # the test run was killed, or we stop
            pass
        finally:
            if borrowed:
                self._is_lent = False
            writer.close()

    async def _reply(self, request: Message) -> Message:
        supervisor = self._supervisor
        do: dict[str, Callable[[str], Awaitable[None]]] = {
            "stop": supervisor.stop,
            "kill": supervisor.kill,
            "restart": supervisor.restart,
        }
        try:
            if request["do"] == "lend":
                return {"restarted": await self._lend()}
            await do[request["do"]](request["name"])
        except StartAgain as reason:
            if not self.start_again.done():
                self.start_again.set_result(str(reason))
            return {"again": str(reason)}
        except Exception as error:  # noqa: BLE001  the test run raises it
            return {"error": str(error) or type(error).__name__}
        return {}

    async def _lend(self) -> dict[str, str]:
        """Make the stack as good as a new one. Return what was restarted, and why."""
        now = sources.snapshot()
        found = restarts(sources.changed_files(self._taken, now), self._strangers())
        await asyncio.gather(*(self._supervisor.restart(name) for name in found))
        self._taken = now
        self._pids = {name: self._supervisor.pid(name) for name in NAMES}
        await self._finish_images()
        say("a test run uses the stack", found)
        return found

    def _strangers(self) -> list[str]:
        """Return the services whose process is not the one that was started last. Resume paused processes.

        A test may have stopped a service, or restarted it while its code was being edited.
        """
        local = json.loads((self._supervisor.state.folder / "local.json").read_text())["components"]
        for name, component in local.items():
            if not component["ready"] and name not in NAMES:
                raise StartAgain(f"{name} is not running")
            with contextlib.suppress(psutil.NoSuchProcess):
                if psutil.Process(component["pid"]).status() == psutil.STATUS_STOPPED:
                    os.kill(component["pid"], signal.SIGCONT)
        return [name for name in NAMES if local[name]["pid"] != self._pids[name]]

    async def _finish_images(self) -> None:
        """Wait until the worker has nothing to do: images of an earlier run would delay those of the next."""
        url = self._stack.stores.postgres.admin_url("images")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            deadline = time.monotonic() + UNFINISHED_SECONDS
            while (row := await (await connection.execute(UNFINISHED)).fetchone()) and row[0]:
                if time.monotonic() > deadline:
                    raise StartAgain(f"{row[0]} images of earlier tests do not end")
                await asyncio.sleep(0.05)


def restarts(changed: Sequence[str], strangers: Sequence[str]) -> dict[str, str]:
    """Return the services to restart, and why. Raise `StartAgain` if that is not enough."""
    found = dict.fromkeys(strangers, "an earlier test stopped it")
    for file in changed:
        services = sources.services_of(file)
        if services is None:
            raise StartAgain(f"{file} has changed")
        found |= dict.fromkeys(services, f"{file} has changed")
    return found


async def serve(folder: Path) -> str:
    """Run a stack in the folder, and lend it. Return why it must start again."""
    shutil.rmtree(folder / "state", ignore_errors=True)
    (folder / "stack.log").unlink(missing_ok=True)
    say(f"the test stack starts, which takes half a minute; its log is {folder / 'stack.log'}")
    taken = sources.snapshot()
    sink = to_file(folder / "stack.log")
    async with stack(folder / "state", sink=sink, durable=False, overrides=OVERRIDES) as running:
        server = Server(running, taken)
        async with listening(server, folder):
            say("the test stack is warm, and test runs use it; Ctrl-C stops it")
            return await server.start_again


@asynccontextmanager
async def listening(server: Server, folder: Path) -> AsyncGenerator[None]:
    path = Path(address(folder))
    path.unlink(missing_ok=True)
    listener = await asyncio.start_unix_server(server.answer, path)
    try:
        yield
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def say(text: str, found: dict[str, str] | None = None) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)
    for name, reason in (found or {}).items():
        print(f"         {name} was restarted: {reason}", flush=True)


async def _send(writer: asyncio.StreamWriter, message: Message) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()
