"""A connection to the server of the warm test stack."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.warm import sources

ANSWER_SECONDS = 10.0


class NotUsable(Exception):
    """There is a warm stack, but this run cannot use it. The message says why."""


class Connection:
    """A connection to the server. Its first line, `hello`, says what runs there."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def receive(self, seconds: float) -> dict[str, Any]:
        """Return the next message. Raise `ConnectionError` if the server has gone."""
        try:
            line = await asyncio.wait_for(self._reader.readline(), seconds)
        except TimeoutError:
            raise NotUsable("does not answer") from None
        if not line:
            raise ConnectionError("the server has closed the connection")
        return json.loads(line)

    async def ask(self, message: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        self._writer.write(json.dumps(message).encode() + b"\n")
        return await self.receive(seconds)


@asynccontextmanager
async def connected(path: str) -> AsyncGenerator[Connection]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        connection = Connection(reader, writer)
        check(await connection.receive(ANSWER_SECONDS))
        yield connection
    finally:
        writer.close()


def check(hello: Mapping[str, Any]) -> None:
    """Raise `NotUsable` if the stack was started with other settings than this run has."""
    ours = {"variables": sources.variables(), "python": sys.executable}
    if hello != ours:
        raise NotUsable("was started with other environment variables or another Python")
