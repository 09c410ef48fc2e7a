"""A TCP proxy in front of one server for one client. It can slow, cut and silence the connections."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Self

HOST = "127.0.0.1"
CHUNK = 64 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of 0: the other side gets a reset instead of an orderly end."""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """The disturbance of all connections of a link, open ones included."""

    latency_seconds: float = 0.0
    """The time for which each chunk waits."""
    reset_after_bytes: int | None = None
    """The bytes that still pass before a connection is reset."""
    is_half_open: bool = False
    """Nothing passes and nothing ends, as if the other machine had lost its power."""


NONE = Disturbance()


class Connection:
    """Both directions of one connection."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.writers = (near, far)
        self.passed = 0

    def reset(self) -> None:
        for writer in self.writers:
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()


class Link:
    """Listens on `port` while it is entered, and forwards to `target`."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._disturbance = NONE
        self._changed = asyncio.Event()
        self._held = 0
        self._connections = set[Connection]()
        self._tasks = set[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def held(self) -> int:
        """The number of chunks that do not pass now, because the link is half open."""
        return self._held

    def disturb(self, disturbance: Disturbance) -> None:
        for connection in self._connections:
            connection.passed = 0
        self._disturbance = disturbance
        self._changed.set()
        self._changed = asyncio.Event()

    def heal(self) -> None:
        self.disturb(NONE)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            Connection(writer, writer).reset()
            return
        connection = Connection(writer, far_writer)
        self._connections.add(connection)
        try:
            await asyncio.gather(
                self._forward(connection, reader, far_writer), self._forward(connection, far_reader, writer)
            )
        except (OSError, asyncio.CancelledError):
            connection.reset()
        finally:
            self._connections.discard(connection)
            for each in connection.writers:
                each.close()

    async def _forward(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK):
            await self._hold_back(connection, chunk, writer)
            writer.write(chunk)
            await writer.drain()
        await self._until_open()
        if writer.can_write_eof():
            writer.write_eof()

    async def _hold_back(self, connection: Connection, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        """Return when the chunk may pass. Raise `ConnectionResetError` if it must not."""
        now = self._disturbance
        if now.is_half_open:
            await self._until_open()
            raise ConnectionResetError  # what was sent meanwhile is lost
        if now.latency_seconds:
            await asyncio.sleep(now.latency_seconds)
        if now.reset_after_bytes is not None:
            allowed = now.reset_after_bytes - connection.passed
            connection.passed += len(chunk)
            if len(chunk) > allowed:
                writer.write(chunk[: max(0, allowed)])
                with contextlib.suppress(OSError):
                    await writer.drain()
                raise ConnectionResetError

    async def _until_open(self) -> None:
        self._held += 1
        try:
            while self._disturbance.is_half_open:
                await self._changed.wait()
        finally:
            self._held -= 1
