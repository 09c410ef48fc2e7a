"""A line to the broker that a test cuts and mends."""

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit


class BrokenLine:
    """A context manager. `url` is the broker's through this line."""

    def __init__(self, url: str) -> None:
        far = urlsplit(url)
        self._far = far.hostname or "", far.port or 0
        self._parts = far
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        await self.mend()
        user, _, _ = self._parts.netloc.rpartition("@")
        self.url = self._parts._replace(netloc=f"{user}@127.0.0.1:{self._port}").geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Close all connections, and refuse new ones."""
        self._server.close()
        for writer in self._open:
            writer.close()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._far)
        self._open |= {writer, far_writer}
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        self._open -= {writer, far_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
