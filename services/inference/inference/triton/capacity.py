"""Chooses how many images and tiles are worked on at the same time, by the resources of this machine and
Triton.

Only cores and memory that this process may use count. In a container that is less than the machine has.
"""

import os
from dataclasses import dataclass
from pathlib import Path

CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
UNLIMITED = 1 << 60
"""Control groups of version 1 write a number above this if there is no limit."""
JOB_BYTES = 3 << 29
"""The most memory that a job with two tiles at Triton takes."""
WORKER_BYTES = 256 << 20
"""The memory of a worker without a job."""
TILE_BYTES = 16 << 20
"""A tile of 512 x 512 with its result at four times the size."""
GPU_TILE, CPU_TILE = 512, 640
"""Engines for a GPU are built for this tile. On a CPU the larger tile is 5 to 10 % faster, because fewer
pixels are computed twice. A tile of 768 is worse again: `span_x4` takes 50 % longer.
"""
MAX_JOBS, MAX_TILES = 16, 64


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """The resources that Triton has for one model."""

    is_gpu: bool = False
    instances: int = 1
    max_batch: int = 1
    """Tiles that one instance takes at once."""


def measure_machine(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> Machine:
    """Return the cores and the memory that this process may use."""
    cores, memory = len(os.sched_getaffinity(0)), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for folder in own_control_groups(cgroups, own):
        cores = min(cores, core_limit(folder) or cores)
        memory = min(memory, memory_limit(folder) or memory)
    return Machine(cores, memory)


def own_control_groups(cgroups: Path, own: Path) -> list[Path]:
    """Return the folders of our control groups and their parents, for version 2 and 1.

    In a container there is only the root.
    """
    found = list[Path]()
    for line in (read_text(own) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        root = cgroups / controllers if controllers else cgroups
        inner = Path(path.lstrip("/"))
        found.extend(root / each for each in (inner, *inner.parents))
    return found


def core_limit(folder: Path) -> int | None:
    """Return the number of cores, rounded up, or None if there is no limit."""
    quota, _, period = (read_text(folder / "cpu.max") or "max").partition(" ")
    if quota == "max":
        quota, period = (
            read_text(folder / "cpu.cfs_quota_us") or "-1",
            read_text(folder / "cpu.cfs_period_us"),
        )
    if int(quota) <= 0:
        return None
    return max(1, -(-int(quota) // int(period or 100_000)))


def memory_limit(folder: Path) -> int | None:
    """Return the limit in bytes, or None."""
    limit = read_text(folder / "memory.max") or read_text(folder / "memory.limit_in_bytes") or "max"
    return None if limit == "max" or int(limit) > UNLIMITED else int(limit)


def read_text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def choose_jobs(machine: Machine, triton: Capacity) -> int:
    """Return how many images are worked on at the same time.

    While one is at Triton, others are fetched, decoded, encoded and stored. With inference on a CPU that is a
    small part of the work. With inference on a GPU it is most of the work of the cores.
    """
    wanted = min(machine.cores, MAX_JOBS) if triton.is_gpu else 2 + machine.cores // 8
    waiting_answers = (choose_tiles_in_flight(machine, triton) - 2) * TILE_BYTES
    room = (machine.memory_bytes - WORKER_BYTES) // (JOB_BYTES + waiting_answers)
    return max(1, min(max(2, wanted), room))


def choose_tile_side(triton: Capacity) -> int:
    """Return the longest side of a tile in pixels."""
    return GPU_TILE if triton.is_gpu else CPU_TILE


def choose_tiles_in_flight(machine: Machine, triton: Capacity) -> int:
    """Return how many tiles are at Triton: those that its instances work on, and the next ones, so that no
    instance is idle.

    On a GPU an instance works on a batch.
    """
    wanted = 2 * triton.instances * triton.max_batch if triton.is_gpu else triton.instances + 1
    return max(2, min(wanted, MAX_TILES, machine.memory_bytes // 8 // TILE_BYTES))
