"""How much is done at a time, from what this machine and Triton's have.

Cores and memory are those that we may use, which in a container is less than what there is.
"""

import os
from dataclasses import dataclass
from pathlib import Path

CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
UNLIMITED = 1 << 60
"""What version 1 writes for none is more than that."""
JOB_BYTES, OURSELVES_BYTES, TILE_BYTES = 3 << 29, 256 << 20, 16 << 20
"""What one job with two tiles at Triton takes at most; what the worker takes without one; a tile of 512 x 512
and its answer at four times the size.
"""
GPU_TILE, CPU_TILE = 512, 640
"""What engines are built for; and what is 5 to 10 % faster on a CPU, as fewer pixels are computed twice. With
768 `span_x4` takes half as long again.
"""
MOST_JOBS, MOST_TILES = 16, 64


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """What Triton has for a model."""

    is_gpu: bool = False
    instances: int = 1
    batch: int = 1


def this_machine(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> Machine:
    cores, memory = len(os.sched_getaffinity(0)), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for folder in folders(cgroups, own):
        cores = min(cores, quota_of(folder) or cores)
        memory = min(memory, limit_of(folder) or memory)
    return Machine(cores, memory)


def folders(cgroups: Path, own: Path) -> list[Path]:
    """Of our control groups and all above them, in version 2 or 1; in a container there is just the root."""
    found = list[Path]()
    for line in (text_of(own) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        root = cgroups / controllers if controllers else cgroups
        inner = Path(path.lstrip("/"))
        found.extend(root / each for each in (inner, *inner.parents))
    return found


def quota_of(folder: Path) -> int | None:
    """Cores, rounded up."""
    quota, _, period = (text_of(folder / "cpu.max") or "max").partition(" ")
    if quota == "max":
        quota, period = text_of(folder / "cpu.cfs_quota_us") or "-1", text_of(folder / "cpu.cfs_period_us")
    if int(quota) <= 0:
        return None
    return max(1, -(-int(quota) // int(period or 100_000)))


def limit_of(folder: Path) -> int | None:
    limit = text_of(folder / "memory.max") or text_of(folder / "memory.limit_in_bytes") or "max"
    return None if limit == "max" or int(limit) > UNLIMITED else int(limit)


def text_of(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def jobs_for(machine: Machine, triton: Capacity) -> int:
    """While one is in Triton, others are fetched, decoded, encoded and stored. On a CPU that is little beside
    the inference; beside a GPU it is what takes the cores.
    """
    wanted = min(machine.cores, MOST_JOBS) if triton.is_gpu else 2 + machine.cores // 8
    answers = (tiles_for(machine, triton) - 2) * TILE_BYTES  # that wait to be put into their place
    room = (machine.memory_bytes - OURSELVES_BYTES) // (JOB_BYTES + answers)
    return max(1, min(max(2, wanted), room))


def side_for(triton: Capacity) -> int:
    return GPU_TILE if triton.is_gpu else CPU_TILE


def tiles_for(machine: Machine, triton: Capacity) -> int:
    """What each instance works on and what comes next, so that it never waits; on a GPU in batches."""
    wanted = 2 * triton.instances * triton.batch if triton.is_gpu else triton.instances + 1
    return max(2, min(wanted, MOST_TILES, machine.memory_bytes // 8 // TILE_BYTES))
