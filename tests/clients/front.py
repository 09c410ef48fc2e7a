"""Stands between a client and the gateway, and does what a scenario says to the first requests."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

UPLOADS = (b"POST /api/images/upscale ", b"POST /api/batches ")
CHUNK = 64 * 1024
Fault = dict[str, Any]


@asynccontextmanager
async def front(target: int, faults: Sequence[Fault], away_seconds: float = 0) -> AsyncGenerator[str]:
    """Yield the address of a server that passes everything on to the port `target`, after these faults.

    It first answers 503 to every request for `away_seconds`, counted from the first one.
    """
    pending = list(faults)
    back_at: float | None = None
    tasks = set[asyncio.Task[None]]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal back_at
        if task := asyncio.current_task():
            tasks.add(task)
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            back_at = back_at or time.monotonic() + away_seconds
            fault: Fault = {"answer": 503} if time.monotonic() < back_at else {}
            if not fault and pending and head.startswith(UPLOADS):
                fault = pending.pop(0)
            await pass_on(head, reader, writer, target, fault)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=CHUNK)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pass_on(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int, fault: Fault
) -> None:
    """Pass on one connection that begins with this head."""
    if "answer" in fault:
        await reader.readexactly(length_of(head))  # unread bytes would reset the connection
        writer.write(refusal(fault))
        await writer.drain()
        return
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
    far_writer.write(head)
    passed = len(head)
    try:
        sending = asyncio.create_task(
            forward(reader, far_writer, fault.get("cut_request_after", 1 << 40) - passed)
        )
        if fault.get("lose_answer"):
            await far_reader.read(1)  # the server has decided
        elif "cut_request_after" in fault:
            await sending
        else:
            await forward(far_reader, writer, 1 << 40)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    finally:
        writer.transport.abort()
        far_writer.transport.abort()


def length_of(head: bytes) -> int:
    """Return the length of the body."""
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int) -> None:
    """Forward at most `most` bytes."""
    while most > 0 and (chunk := await reader.read(min(CHUNK, most))):
        writer.write(chunk)
        await writer.drain()
        most -= len(chunk)


def refusal(fault: Fault) -> bytes:
    """Return an answer as the gateway or a proxy before it gives it."""
    status = fault["answer"]
    codes = {429: "too_many_requests", 500: "internal_error"}
    body = {
        "success": False,
        "message": "No.",
        "code": codes.get(status, "service_unavailable"),
        "request_id": "x",
    }
    content = json.dumps(body).encode() if status != 502 else b"<html>Bad gateway</html>"
    lines = [f"HTTP/1.1 {status} No", f"Content-Length: {len(content)}", "Connection: close"]
    if "retry_after" in fault:
        lines.append(f"Retry-After: {fault['retry_after']}")
    return "\r\n".join([*lines, "", ""]).encode() + content
