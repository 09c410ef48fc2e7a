"""Reads event streams as a client does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

SECONDS = 60.0


@dataclass
class Event:
    type: str = ""
    id: str = ""
    data: Any = None


@dataclass
class Reader:
    """An open event stream. `last_id` is what a browser would send to continue."""

    answer: httpx2.Response
    lines: AsyncIterator[str]
    last_id: str = ""
    comments: int = 0
    retry: str = ""
    seen: list[Event] = field(default_factory=list[Event])

    async def next(self, seconds: float = SECONDS) -> Event | None:
        """Return the next event, or None if the stream has ended."""
        async with asyncio.timeout(seconds):
            return await self._next()

    async def _next(self) -> Event | None:
        event, data = Event(), list[str]()
        async for line in self.lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line and data:
                event.data = json.loads("\n".join(data))
                self.seen.append(event)
                return event
            if not line:
                event = Event()
            elif not name:
                self.comments += 1
            elif name == "id":
                event.id = self.last_id = value
            elif name == "event":
                event.type = value
            elif name == "data":
                data.append(value)
            elif name == "retry":
                self.retry = value
        return None

    async def until(self, *types: str, seconds: float = SECONDS) -> Event:
        """Return the next event of one of these types."""
        async with asyncio.timeout(seconds):
            while event := await self._next():
                if event.type in types:
                    return event
        raise AssertionError(f"the stream ended without {' or '.join(types)}: {self.seen}")

    async def until_open(self) -> "Reader":
        """Wait for the first lines, which have an id."""
        async with asyncio.timeout(SECONDS):
            async for line in self.lines:
                if line.startswith("id:"):
                    self.last_id = line.removeprefix("id:").strip()
                    return self
        raise AssertionError("the stream ended at once")


@contextlib.asynccontextmanager
async def event_stream(
    client: httpx2.AsyncClient, *, last_id: str = "", **query: object
) -> AsyncGenerator[Reader]:
    """Open an event stream."""
    params = {name: str(value) for name, value in query.items()}
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with client.stream("GET", "/api/events", params=params, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield await Reader(answer, answer.aiter_lines()).until_open()
