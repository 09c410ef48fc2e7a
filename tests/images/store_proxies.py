"""Proxies before the object store: one holds the first request, one answers with faults."""

import asyncio
import contextlib
from typing import Self


class BlockingProxy:
    """A context manager.

    It sets `request_arrived` at the first request, and forwards it when the test sets `released`.
    """

    def __init__(self, endpoint: str) -> None:
        self._host, _, port = endpoint.rpartition(":")
        self._port = int(port)
        self.request_arrived, self.released = asyncio.Event(), asyncio.Event()
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._let_through, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.released.set()
        self._server.close()

    async def _let_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_first = not self.request_arrived.is_set()
        first = await reader.read(65_536)
        if is_first:
            self.request_arrived.set()
            await self.released.wait()
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        far_writer.write(first)
        answering = asyncio.create_task(_copy(far_reader, writer))
        await _copy(reader, far_writer)
        await answering


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()


class FailingStore:
    """A store that answers the first requests of one method with a fault, and forwards all others.

    A context manager. `refused` counts the faults.
    """

    def __init__(
        self, endpoint: str, method: bytes, status: int, *, times: int, media: str = "application/xml"
    ) -> None:
        self._host, _, port = endpoint.rpartition(":")
        self._port = int(port)
        self._method, self._status, self._times, self._media = method, status, times, media
        self.refused, self.has_refused = 0, asyncio.Event()
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close the connection after a fault."""
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(self._method) and self.refused < self._times:
            self.refused += 1
            self.has_refused.set()
            await reader.readexactly(_length(head))
            body = b"<Error><Code>Fault</Code><Message>The store cannot do it now.</Message></Error>"
            lines = (f"HTTP/1.1 {self._status} Fault", f"Content-Type: {self._media}", "Connection: close")
            writer.write("\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode() + body)
            await writer.drain()
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        far_writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answering = asyncio.create_task(_copy(far_reader, writer))
        await _copy(reader, far_writer)
        await answering


def _length(head: bytes) -> int:
    [line] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")] or [b":0"]
    return int(line.partition(b":")[2])
