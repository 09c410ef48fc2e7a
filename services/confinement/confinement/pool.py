"""A pool of confined children: each file gets one of them, and children that have ended are replaced.

It does not know what files and answers mean. Its users write a kind of child for that.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from confinement.process import ConfinedProcess
from confinement.walls import Report

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LimitsT = TypeVar("LimitsT", bound="DataclassInstance")
Found = TypeVar("Found")


class PooledChild(Generic[LimitsT]):
    """One child, which gets its limits as its last argument. Its methods block."""

    def __init__(self, limits: LimitsT, *arguments: str) -> None:
        self.limits = limits
        self.files = 0
        """The number of files that were sent to it. The sender counts them."""
        self.process = ConfinedProcess(*arguments, json.dumps(asdict(limits)))

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive

    @property
    def pid(self) -> int:
        return self.process.pid

    def report(self) -> Report:
        """Wait until the child has confined itself, and return which walls stand around it."""
        return self.process.report()

    def kill(self) -> None:
        self.process.kill()

    def end(self) -> None:
        self.process.end()


ChildT = TypeVar("ChildT", bound=PooledChild[Any])


class Pool(Generic[LimitsT, ChildT]):
    """Up to `processes` children. Each starts when it is first needed, and gets `files_per_process` files."""

    def __init__(self, start: Callable[[LimitsT], ChildT], *, processes: int, files_per_process: int) -> None:
        self._start = start
        self._files_per_process = files_per_process
        self._free = asyncio.Semaphore(processes)
        self._idle: list[ChildT] = []
        self.children: set[ChildT] = set()
        """All children that have started and not ended."""

    @contextlib.asynccontextmanager
    async def child(self, limits: LimitsT) -> AsyncGenerator[ChildT]:
        """Yield a child with these limits, which nobody else has for the length of the block."""
        async with self._free:
            child = await self._take(limits)
            try:
                yield child
            finally:
                await self._give_back(child)

    async def walls(self, limits: LimitsT) -> Report:
        """Start a child, which the next file gets, and return which walls stand around it."""
        async with self.child(limits) as child:
            return await asyncio.to_thread(child.report)

    async def aclose(self) -> None:
        """End all children. Work that still runs fails."""
        for child in self.children:
            child.kill()
        while self._idle:
            await self._end(self._idle.pop())

    async def _take(self, limits: LimitsT) -> ChildT:
        """Return an idle child with these limits, or a new one: a process cannot raise its own limits."""
        while self._idle:
            child = self._idle.pop()
            if child.is_alive and child.limits == limits:
                return child
            await self._end(child)
        child = self._start(limits)  # in the thread of the event loop, because it ends with its thread
        self.children.add(child)
        return child

    async def _give_back(self, child: ChildT) -> None:
        if child.is_alive and child.files < self._files_per_process:
            self._idle.append(child)
        else:
            await self._end(child)

    async def _end(self, child: ChildT) -> None:
        self.children.discard(child)
        await asyncio.to_thread(child.end)


async def within(seconds: float, child: PooledChild[LimitsT], work: Callable[[], Found]) -> Found:
    """Return what the work of the child returns. Raise `TimeoutError` if it takes longer.

    Kill the child then, and also if the caller is cancelled. Otherwise its late answer could be taken for the
    answer to the next file.
    """
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        if not (await asyncio.wait([task], timeout=seconds))[0]:
            raise TimeoutError(f"the child sent no answer within {seconds} s")
        return task.result()
    finally:
        if not task.done():
            child.kill()
            await asyncio.gather(task, return_exceptions=True)
