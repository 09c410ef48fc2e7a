"""A receiver of webhooks: an HTTP server that notes what it gets, and answers as a test wants."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Reply = bytes | Handler


@dataclass
class Received:
    """A request of outbound."""

    head: str
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        lines = (line.partition(": ") for line in self.head.split("\r\n")[1:])
        return {name.lower(): value for name, _, value in lines if name}

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    def verified(self, secret: str) -> dict[str, Any]:
        """Return the event, after the package of Standard Webhooks has verified it."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """`replies` are sent in turn, and the last one again and again."""

    port: int
    replies: Sequence[Reply]
    received: list[Received] = field(default_factory=list[Received])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [each.event_id for each in self.received]

    def reply(self) -> Reply:
        return self.replies[min(len(self.received), len(self.replies)) - 1]


def answer(status: int = 204, body: bytes = b"", **headers: str) -> bytes:
    """Return an answer as bytes. In the names of headers `_` stands for `-`."""
    lines = {"Content-Length": str(len(body))} | {k.replace("_", "-"): v for k, v in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


@asynccontextmanager
async def receiver(*replies: Reply, port: int = 0) -> AsyncGenerator[Receiver]:
    """Serve on the loopback. Without replies every delivery succeeds."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
            request = Received(head, b"")
            request.body = await reader.readexactly(int(request.headers["content-length"]))
            found.received.append(request)
            reply = found.reply()
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # outbound has hung up
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    async with server:
        found = Receiver(server.sockets[0].getsockname()[1], replies or (answer(),))
        yield found
