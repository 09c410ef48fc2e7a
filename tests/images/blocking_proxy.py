"""A proxy before the object store that holds the first request until the test releases it."""

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
