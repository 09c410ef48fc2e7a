"""Starts processes, keeps them alive, stops them all; nothing that it started outlives it.

Killed with SIGKILL it takes its children along (child.py); what survives that is ended by the next start.
"""

import asyncio
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from loupe_local import leftovers
from loupe_local.component import Component, NotReady
from loupe_local.log import Sink
from loupe_local.process import Process
from loupe_local.state import State, write


class Supervisor:
    """`async with` it: entering takes the folder's lock, leaving stops everything."""

    def __init__(self, folder: Path, sink: Sink, told: Path | None = None) -> None:
        """`told` is a file for scripts, there from the first `tell` until the end."""
        self.state = State(folder)
        self._told = told
        self._told_facts: dict[str, object] = {}
        self.sink = sink
        self._components: dict[str, Component] = {}
        self._facts: dict[str, object] = {}

    async def __aenter__(self) -> Self:
        self.state.lock()
        try:
            await leftovers.end(self.state.folder / "local.json", self.sink)
            if self._told:
                self._told.unlink(missing_ok=True)
        except BaseException:
            self.state.unlock()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await asyncio.shield(asyncio.create_task(self._stop_all()))
            for path in (self.state.folder / "local.json", self._told):
                if path:
                    path.unlink(missing_ok=True)
        finally:
            self.state.unlock()

    async def start(self, process: Process) -> None:
        """Returns once it is ready; from then on it is started again whenever it dies."""
        if process.name in self._components:
            raise ValueError(f"there is a process {process.name} already")
        component = Component(process, self.sink, self._note)
        self._components[process.name] = component
        await component.start()

    async def stop(self, name: str) -> None:
        """Stays down until `restart`."""
        await self._components[name].stop()

    async def kill(self, name: str) -> None:
        """With SIGKILL; stays down until `restart`."""
        await self._components[name].stop(signal.SIGKILL)

    async def restart(self, name: str) -> None:
        """The same program with the same ports and data; returns once it is ready."""
        await self._components[name].stop()
        await self._components[name].start()

    def pid(self, name: str) -> int:
        """The first process of that name, which changes with each restart."""
        child = self._components[name].child
        if child is None:
            raise NotReady(f"{name} is not running")
        return child.pid

    def is_ready(self, name: str) -> bool:
        return self._components[name].is_ready

    def publish(self, **facts: object) -> None:
        """Adds addresses (never secrets) to local.json, for whoever wants to find us."""
        self._facts |= facts
        self._note()

    def tell(self, **facts: object) -> None:
        """Puts facts, secrets among them, and the pids by component into the file for scripts."""
        self._told_facts |= facts
        self._note()

    async def _stop_all(self) -> None:
        for tier in sorted({one.process.tier for one in self._components.values()}, reverse=True):
            ending = [one for one in self._components.values() if one.process.tier == tier]
            results = await asyncio.gather(*(one.stop() for one in ending), return_exceptions=True)
            for one, result in zip(ending, results, strict=True):
                if isinstance(result, BaseException):
                    self.sink(one.process.name, f"stopping: {result!r}")

    def _note(self) -> None:
        components = {
            name: {
                "pid": one.child.pid if one.child else None,
                "started": one.child.started if one.child else None,
                "ready": one.is_ready,
                "restarts": one.restarts,
            }
            for name, one in self._components.items()
        }
        write(
            self.state.folder / "local.json",
            {"supervisor": os.getpid(), "components": components, **self._facts},
        )
        if self._told and self._told_facts:
            pids = {name: component["pid"] for name, component in components.items()}
            write(self._told, {**self._told_facts, "pids": pids}, mode=0o600)
