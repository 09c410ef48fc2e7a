"""The number of jobs and tiles that run at the same time depends on the machine and its Triton."""

from pathlib import Path

import pytest

from inference.triton.capacity import Capacity, Machine, choose_jobs, choose_tiles_in_flight, measure_machine

GIB = 1 << 30
GPU = Capacity(is_gpu=True, instances=2, max_batch=8)


def a_cgroup(folder: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    """Write cgroup files. Return their folder and the file that names the process's own group."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")
    (folder / "own").write_text(own + "\n")
    return folder, folder / "own"


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("0::/", {"cpu.max": "100000 100000", "memory.max": str(GIB)}),
        ("0::/", {"cpu.max": "50000 100000", "memory.max": str(GIB)}),
        ("0::/a/b", {"a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000", "a/memory.max": str(GIB)}),
        (
            "3:cpu:/x\n4:memory:/x",
            {
                "cpu/x/cpu.cfs_quota_us": "100000",
                "cpu/x/cpu.cfs_period_us": "100000",
                "memory/x/memory.limit_in_bytes": str(GIB),
            },
        ),
    ],
    ids=["whole core", "half a core", "of a parent", "version 1"],
)
def test_the_machine_has_the_cores_and_memory_of_its_container(
    tmp_path: Path, own: str, files: dict[str, str]
) -> None:
    assert measure_machine(*a_cgroup(tmp_path, own, files)) == Machine(1, GIB)


@pytest.mark.parametrize(
    "files",
    [{}, {"cpu.max": "max 100000", "memory.max": "max"}, {"memory.limit_in_bytes": str((1 << 63) - 4096)}],
)
def test_without_a_containers_limits_the_machine_has_all_cores_and_memory(
    tmp_path: Path, files: dict[str, str]
) -> None:
    found = measure_machine(*a_cgroup(tmp_path, "0::/", files))

    assert found == measure_machine(tmp_path, tmp_path / "nothing")
    assert found.cores >= 1
    assert found.memory_bytes > GIB // 4


@pytest.mark.parametrize(
    ("machine", "triton", "jobs", "tiles"),
    [
        (Machine(2, 8 * GIB), Capacity(), 2, 2),
        (Machine(1, 8 * GIB), Capacity(), 2, 2),
        (Machine(2, GIB), Capacity(), 1, 2),
        (Machine(16, 64 * GIB), Capacity(), 4, 2),
        (Machine(16, 64 * GIB), Capacity(instances=4), 4, 5),
        (Machine(8, 64 * GIB), GPU, 8, 32),
        (Machine(64, 256 * GIB), GPU, 16, 32),
        (Machine(8, 3 * GIB), GPU, 1, 24),
        (Machine(16, 16 * GIB), Capacity(is_gpu=True, instances=4, max_batch=8), 6, 64),
    ],
)
def test_larger_machines_work_on_more_jobs_and_tiles(
    machine: Machine, triton: Capacity, jobs: int, tiles: int
) -> None:
    assert (choose_jobs(machine, triton), choose_tiles_in_flight(machine, triton)) == (jobs, tiles)
