"""Proxies before the object store: one holds the first request, one answers with faults."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Self


class StoreProxy:
    """Forwards each connection to the store, from its first bytes on. A context manager.

    At its end it closes all connections, also those that a client keeps open.
    """

    def __init__(self, endpoint: str) -> None:
        self._host, _, port = endpoint.rpartition(":")
        self._port = int(port)
        self._serving = set[asyncio.Task[None]]()
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        async with closing(writer):
            await asyncio.wait({task})
        self._serving.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._forward(await reader.read(65_536), reader, writer)

    async def _forward(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        async with closing(far_writer):
            far_writer.write(first)
            sending = asyncio.create_task(_copy(reader, far_writer))
            try:
                await _copy(far_reader, writer)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)


class BlockingProxy(StoreProxy):
    """It sets `request_arrived` at the first request, and forwards it when the test sets `released`."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.request_arrived, self.released = asyncio.Event(), asyncio.Event()

    async def __aexit__(self, *error: object) -> None:
        self.released.set()
        await super().__aexit__(*error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_first = not self.request_arrived.is_set()
        first = await reader.read(65_536)
        if is_first:
            self.request_arrived.set()
            await self.released.wait()
        await self._forward(first, reader, writer)


class FailingStore(StoreProxy):
    """It answers the first requests of one method with a fault, and forwards all others.

    `refused` counts the faults.
    """

    def __init__(
        self, endpoint: str, method: bytes, status: int, *, times: int, media: str = "application/xml"
    ) -> None:
        super().__init__(endpoint)
        self._method, self._status, self._times, self._media = method, status, times, media
        self.refused, self.has_refused = 0, asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request. The connection is closed after it."""
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(self._method) or self.refused == self._times:
            first = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            await self._forward(first, reader, writer)
            return
        self.refused += 1
        self.has_refused.set()
        await reader.readexactly(_length(head))
        body = b"<Error><Code>Fault</Code><Message>The store cannot do it now.</Message></Error>"
        lines = (f"HTTP/1.1 {self._status} Fault", f"Content-Type: {self._media}", "Connection: close")
        writer.write("\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode() + body)
        await writer.drain()


@contextlib.asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncGenerator[None]:
    """Close the connection at the end of the block."""
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def _length(head: bytes) -> int:
    [line] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")] or [b":0"]
    return int(line.partition(b":")[2])
