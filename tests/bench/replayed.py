"""A server that answers each upload with an image that a real Loupe has completed, under a new id, at once.

With it a run of ten thousand files takes a minute, in which the client alone works.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from loupe_local.stack import Stack
from tests.client import client_of

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: open\n\n"


class Replay:
    """The answers, and the event streams that are open."""

    def __init__(self, image: dict[str, Any], result: bytes) -> None:
        self._image = image
        self._result = result
        self._ids = itertools.count(1)
        self._streams: list[asyncio.StreamWriter] = []
        self.url = ""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await reader.readexactly(length_of(head))
                method, path, _ = head.split(" ", 2)
                if path.startswith("/api/events"):
                    writer.write(STREAM)
                    self._streams.append(writer)
                else:
                    writer.write(self._answer(method, path))
                await writer.drain()
        writer.close()

    def _answer(self, method: str, path: str) -> bytes:
        if path.startswith("/result"):
            return answer(200, "image/jpeg", self._result)
        if method == "POST":
            image = self._image | {"id": next(self._ids), "download_url": f"{self.url}/result.jpg"}
            event = {"type": "image.completed", "timestamp": image["updated_at"], "data": image}
            frame = f"id: {image['id']}\ndata: {json.dumps(event)}\n\n".encode()
            for stream in self._streams:
                stream.write(frame)
            return enveloped(202, {**image, "status": "pending", "status_url": f"{self.url}/api/images/1"})
        return enveloped(200, self._image)


def enveloped(status: int, data: dict[str, Any]) -> bytes:
    body = json.dumps({"success": True, "message": "Yes.", "data": data}).encode()
    return answer(status, "application/json", body)


def answer(status: int, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def length_of(head: str) -> int:
    lines = (line.partition(":") for line in head.split("\r\n"))
    return next((int(value) for name, _, value in lines if name.lower() == "content-length"), 0)


@asynccontextmanager
async def replayed(running: Stack, image_id: int) -> AsyncGenerator[str]:
    """Yield the address of a server that repeats this completed image."""
    async with client_of(running, running.token) as client:
        image = (await client.get(f"/api/images/{image_id}")).json()["data"]
    async with httpx2.AsyncClient() as client:
        result = (await client.get(image["download_url"])).content
    replay = Replay(image, result)
    server = await asyncio.start_server(replay.accept, "127.0.0.1", 0)
    replay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield replay.url
