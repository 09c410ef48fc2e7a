"""Counts the processes, threads, descriptors and memory of each component, and what is left after the end."""

import contextlib
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.chaos.evidence import ProcessFacts
from tests.chaos.world import COMPONENTS, World

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  the folder of shm_open(3)
REGION = re.compile(r"/dev/shm/(\S+)")  # noqa: S108


def of(world: World) -> dict[str, ProcessFacts]:
    """Return the facts of the components that run now."""
    return {name: facts for name in COMPONENTS if (facts := _facts(world.leader(name)))}


def _facts(leader: psutil.Process | None) -> ProcessFacts | None:
    if leader is None:
        return None
    descriptors = threads = processes = zombies = 0
    memory = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in [leader, *leader.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if one.status() == psutil.STATUS_ZOMBIE:
                    zombies += 1
                    continue
                processes += 1
                descriptors += one.num_fds()
                threads += one.num_threads()
                memory += one.memory_full_info().pss
        return ProcessFacts(
            descriptors=descriptors,
            threads=threads,
            processes=processes,
            zombies=zombies,
            mebibytes=memory / (1 << 20),
        )
    return None


class Trail:
    """Remembers which processes and which shared memory belonged to the run, to find what is left of them."""

    def __init__(self) -> None:
        self._processes = set[psutil.Process]()
        self._regions = set[str]()
        self._began = time.time()

    def note(self, world: World) -> None:
        """Call this often: a region is known only if it was seen."""
        for name in COMPONENTS:
            leader = world.leader(name)
            if leader is None:
                continue
            with contextlib.suppress(psutil.NoSuchProcess):
                members = [leader, *leader.children(recursive=True)]
                self._processes.update(members)
                for one in members:
                    self._regions |= _regions(one.pid)

    def leftovers(self, temporary: Path, sockets: Sequence[str]) -> list[str]:
        """Return a line for each process, region and file that exists although everything was stopped."""
        alive = [one for one in self._processes if _is_alive(one)]
        regions = [name for name in sorted(self._regions) if (SHARED_MEMORY / name).exists()]
        files = sorted(temporary.rglob("*"))
        # an older file is of another run, whose port was the same
        files += [
            path
            for pattern in sockets
            for path in Path("/").glob(pattern)
            if path.lstat().st_mtime >= self._began
        ]
        return [
            *(f"process {one.pid} {_command(one)}" for one in alive),
            *(f"shared memory {name}" for name in regions),
            *(f"file {path}" for path in files),
        ]


def sockets(world: World) -> list[str]:
    """Return patterns, from the root, of the files outside the run's folder that a component may leave."""
    ports: Mapping[str, int] = world.stack.stores.s3.ports
    triton = world.stack.stores.triton
    regions = [f"dev/shm/loupe-triton-{triton.grpc_port}-*"] if triton else []
    return [*(f"tmp/seaweedfs-*-{port}.sock" for port in ports.values()), *regions]


def _regions(pid: int) -> set[str]:
    with contextlib.suppress(OSError):
        return set(REGION.findall(Path(f"/proc/{pid}/maps").read_text()))
    return set()


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[:120]
    return ""
