"""The power of a machine: folders that forget unsynced writes when it is cut."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path

from loupe_local.state import REPOSITORY


class NoFuse(Exception):
    """FUSE cannot be used here. The message says why."""


class Power:
    """Makes each folder in `places` a mount point. Its content is in a folder below `disks`."""

    def __init__(self, disks: Path, places: Sequence[Path]) -> None:
        self._disks = disks
        self._places = places
        self._layers = list[asyncio.subprocess.Process]()

    async def turn_on(self) -> None:
        if not Path("/dev/fuse").exists() or os.geteuid() != 0:
            raise NoFuse("A power failure is simulated by FUSE. It needs /dev/fuse, and root who may mount.")
        for place in self._places:
            disk = self._disks / place.name
            disk.mkdir(parents=True, exist_ok=True)
            place.mkdir(parents=True, exist_ok=True)
            command = (sys.executable, "-m", "tests.powerloss.layer", str(disk), str(place))
            layer = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=REPOSITORY)
            self._layers.append(layer)
            if await self._line_of(layer) != "mounted":
                raise NoFuse(f"FUSE cannot be mounted at {place}. Containers need the right CAP_SYS_ADMIN.")

    async def cut(self) -> list[str]:
        """Take all unsynced writes back. From now on nothing can be read or written. Return what was lost."""
        for layer in self._layers:
            assert layer.stdin
            layer.stdin.write(b"cut\n")
        lost = [await self._line_of(layer) for layer in self._layers]
        return [f"{place.name}: {line}" for place, line in zip(self._places, lost, strict=True)]

    async def turn_off(self) -> None:
        """Unmount all places. No process may use them any more."""
        for layer in self._layers:
            assert layer.stdin
            layer.stdin.close()
            await layer.wait()
        self._layers.clear()

    async def _line_of(self, layer: asyncio.subprocess.Process) -> str:
        assert layer.stdout
        return (await layer.stdout.readline()).decode().strip()
