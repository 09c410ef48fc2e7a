"""A TCP proxy that a test closes in one direction, so that a process stops at a known step."""

import asyncio
import contextlib
from typing import Self


class Gate:
    """A context manager. `address` leads to `target` through the gate, which is open at first."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._requests_pass, self._answers_pass = asyncio.Event(), asyncio.Event()
        self._connections = set[asyncio.Task[None]]()
        self.address = ""

    async def __aenter__(self) -> Self:
        self.open()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.drop()

    def hold_requests(self) -> None:
        """Let nothing pass to the target."""
        self._requests_pass.clear()

    def hold_answers(self) -> None:
        """Let nothing pass back from the target."""
        self._answers_pass.clear()

    def open(self) -> None:
        self._requests_pass.set()
        self._answers_pass.set()

    async def drop(self) -> None:
        """Close all connections, and lose what was held."""
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.closing(writer):
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
            with contextlib.closing(far_writer):
                async with asyncio.TaskGroup() as both:
                    both.create_task(_forward(reader, far_writer, self._requests_pass))
                    both.create_task(_forward(far_reader, writer, self._answers_pass))


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may_pass: asyncio.Event
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            await may_pass.wait()
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
