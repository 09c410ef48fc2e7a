"""Writes what arrives at about the same time in one transaction, as databases do with their log.

While one transaction is under way, further items wait, and the next transaction writes all of them. So the
work for each item shrinks as more of them arrive.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
MOST = 64
"""How many items one transaction writes."""


class GroupCommit(Generic[Item]):
    """Passes items to a function that writes all of them or none. Items that arrive earlier come first."""

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> None:
        """Return once the item is written. Raise what its write raised.

        An item is written even if its caller is cancelled meanwhile.
        """
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._writing is None or self._writing.done():
            # in the trace of no request, because the task writes the items of many
            self._writing = asyncio.create_task(self._write_waiting(), context=contextvars.Context())
        await written

    async def _write_waiting(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                await self._write([item for item, _ in group])
            except Exception:  # noqa: BLE001  each item of the group then raises its own error
                for item, written in group:
                    await self._write_alone(item, written)
            else:
                for _, written in group:
                    _settle(written)

    async def _write_alone(self, item: Item, written: asyncio.Future[None]) -> None:
        """Write one item of a group that could not be written, so that the faulty one harms no other."""
        try:
            await self._write([item])
        except Exception as error:  # noqa: BLE001  it reaches the caller
            _settle(written, error)
        else:
            _settle(written)


def _settle(written: asyncio.Future[None], error: Exception | None = None) -> None:
    """End the wait of the caller, unless it was cancelled."""
    if written.done():
        return
    if error:
        written.set_exception(error)
    else:
        written.set_result(None)
