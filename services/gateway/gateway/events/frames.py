"""The bytes of server-sent events (WHATWG HTML, section 9.2)."""

import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.events.position import Position

LATER = b"retry: 1000\n\n"
"""Makes a client come back after a second, when this gateway stops."""


class EventResponse(StreamingResponse):
    """An answer that ends with the connection, and then gives back its place."""

    media_type = "text/event-stream"

    def __init__(
        self, content: AsyncGenerator[bytes], place: contextlib.ExitStack, headers: Mapping[str, str]
    ) -> None:
        super().__init__(content, headers=headers)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


def opening(position: Position) -> bytes:
    """Return the first bytes. They give the client its place in the stream, before the first event."""
    return f": events follow\nid: {position}\n\n".encode()


def comment(position: Position) -> bytes:
    """Return a comment that keeps the connection open, with the client's place in the stream."""
    return f":\nid: {position}\n\n".encode()


def event(envelope: dict[str, Any], position: Position | None) -> bytes:
    """Return an event. One without a position has no id."""
    place = f"id: {position}\n" if position else ""
    data = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    return f"{place}event: {envelope['type']}\ndata: {data}\n\n".encode()
