"""Start processes, keep them running, and stop them all at the end.

If the supervisor is killed with SIGKILL, the kernel kills its children (see child.py). The next start kills
processes that survived.
"""

import asyncio
import os
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from loupe_local import leftovers
from loupe_local.component import Component, NotReady
from loupe_local.log import Sink
from loupe_local.process import Process
from loupe_local.stages import SILENT, Stage, Stages
from loupe_local.state import State, write


class Supervisor:
    """Starts, restarts and stops the processes of one installation.

    Entering this context manager locks the folder of the installation. Leaving it stops every process.
    """

    def __init__(
        self, folder: Path, sink: Sink, script_file: Path | None = None, stages: Stages = SILENT
    ) -> None:
        """`script_file` is the file that `publish_to_scripts` writes. It is deleted at the end."""
        self.state = State(folder)
        self._script_file = script_file
        self._script_facts: dict[str, object] = {}
        self.sink = sink
        self.stages = stages
        self._components: dict[str, Component] = {}
        self._facts: dict[str, object] = {}

    async def __aenter__(self) -> Self:
        self.state.lock()
        try:
            await leftovers.kill_all(self.state.folder / "local.json", self.sink)
            if self._script_file:
                self._script_file.unlink(missing_ok=True)
        except BaseException:
            self.state.unlock()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await asyncio.shield(asyncio.create_task(self._stop_all()))
            for path in (self.state.folder / "local.json", self._script_file):
                if path:
                    path.unlink(missing_ok=True)
        finally:
            self.state.unlock()

    async def start(self, process: Process) -> None:
        """Return once the process is ready. From then on it is started again each time it dies."""
        if process.name in self._components:
            raise ValueError(f"there is a process {process.name} already")
        component = Component(process, self.sink, self._write_files, self._report)
        self._components[process.name] = component
        await component.start()

    async def stop(self, name: str) -> None:
        """Stop the process. It stays down until `restart`."""
        await self._components[name].stop()

    async def remove(self, name: str) -> None:
        """Stop the process, and forget it."""
        await self._components[name].stop()
        del self._components[name]
        self._write_files()

    async def kill(self, name: str) -> None:
        """Kill the process with SIGKILL. It stays down until `restart`."""
        await self._components[name].stop(signal.SIGKILL)

    async def restart(self, name: str) -> None:
        """Start the program again with the same ports and data. Return once it is ready."""
        await self._components[name].stop()
        await self._components[name].start()

    def pid(self, name: str) -> int:
        """Return the process id of the program itself. It changes with each restart."""
        child = self._components[name].child
        if child is None:
            raise NotReady(f"{name} is not running")
        return child.pid

    def is_ready(self, name: str) -> bool:
        return self._components[name].is_ready

    def publish(self, **facts: object) -> None:
        """Add addresses, never secrets, to the folder's local.json."""
        self._facts |= facts
        self._write_files()

    def publish_to_scripts(self, **facts: object) -> None:
        """Add facts, which may be secrets, to the file for scripts. It also lists the process ids."""
        self._script_facts |= facts
        self._write_files()

    async def _stop_all(self) -> None:
        if self._components:
            with self.stages.running("stopping", "waiting") as stage:
                await self._stop_tiers(stage)
                stage.finish("all processes have ended")

    async def _stop_tiers(self, stage: Stage) -> None:
        for tier in sorted({one.process.tier for one in self._components.values()}, reverse=True):
            stopping = [one for one in self._components.values() if one.process.tier == tier]
            waiting = [one.process.name for one in stopping]
            results = await asyncio.gather(
                *(self._stop_one(one, waiting, stage) for one in stopping), return_exceptions=True
            )
            for one, result in zip(stopping, results, strict=True):
                if isinstance(result, BaseException):
                    self.sink(
                        one.process.name,
                        f"could not be stopped cleanly; the other processes are stopped anyway: {result!r}",
                    )

    async def _stop_one(self, component: Component, waiting: list[str], stage: Stage) -> None:
        """Stop it. The stage shows all processes of the same tier that are still running."""
        stage.progress(f"waiting for {', '.join(waiting)}")
        try:
            await component.stop()
        finally:
            waiting.remove(component.process.name)
            if waiting:
                stage.progress(f"waiting for {', '.join(waiting)}")

    def _report(self, name: str, line: str) -> None:
        self.stages.say(f"{time.strftime('%H:%M:%S')} {name} {line}")

    def _write_files(self) -> None:
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
            is_durable=False,
        )
        if self._script_file and self._script_facts:
            pids = {name: component["pid"] for name, component in components.items()}
            write(self._script_file, {**self._script_facts, "pids": pids}, mode=0o600, is_durable=False)
