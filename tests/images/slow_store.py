"""The object store behind a door that holds the first connection until the test opens it."""

import asyncio
import contextlib
from typing import Self


class Door:
    """A proxy. It sets `arrived` at the first request, and lets it pass when the test sets `opened`."""

    def __init__(self, endpoint: str) -> None:
        self._host, _, port = endpoint.rpartition(":")
        self._port = int(port)
        self.arrived, self.opened = asyncio.Event(), asyncio.Event()
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._let_through, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.opened.set()
        self._server.close()

    async def _let_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_first = not self.arrived.is_set()
        first = await reader.read(65_536)
        if is_first:
            self.arrived.set()
            await self.opened.wait()
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
