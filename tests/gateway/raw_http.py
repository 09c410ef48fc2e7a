"""Raw HTTP: send bytes to a gateway, and read its answers until it closes the connection."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sent: int = 0

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def answer(self, *, has_body: bool = True) -> Answer:
        """Return the next answer. `100 Continue` counts as an answer."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            length = int(headers.get("content-length", 0)) if has_body else 0
            return Answer(int(first.split()[1]), headers, await self.reader.readexactly(length))

    async def rest(self) -> bytes:
        """Return everything that arrives until the other side closes the connection."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self.reader.read()


@contextlib.asynccontextmanager
async def connect(url: str) -> AsyncGenerator[Connection]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(url: str, data: bytes) -> tuple[Answer, bytes]:
    """Send bytes. Return the first answer, and everything after it until the connection ends."""
    async with connect(url) as connection:
        await connection.send(data)
        return await connection.answer(), await connection.rest()


def assert_refused(answer: Answer, rest: bytes, status: int, code: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert answer.headers["connection"] == "close"
    assert list(answer.json) == ["success", "message", "code", "request_id"]
    assert (answer.json["success"], answer.json["code"]) == (False, code)
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert "server" not in answer.headers
    assert rest == b""
