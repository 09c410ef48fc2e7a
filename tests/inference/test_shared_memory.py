"""Tiles go through /dev/shm to a real Triton on the same machine."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from inference.networks.network import Answer
from inference.triton.client import Triton
from inference.triton.shared_memory import FOLDER, NoSharedMemory, Region, SharedMemory, find_leftovers
from tests.images.harness import poll
from tests.inference.conftest import FaultyTriton
from tests.inference.scratch_triton import QUICK, SLOW, ScratchTriton, scratch_triton

RANDOM = np.random.default_rng(5)
OTHER_WORKER = """
import sys
from inference.triton.shared_memory import Region
region = Region(1 << 20)
print(region.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
async def scratch(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ScratchTriton]:
    async with scratch_triton(tmp_path_factory.mktemp("triton")) as running:
        yield running


@pytest.fixture
async def triton(scratch: ScratchTriton) -> AsyncGenerator[Triton]:
    client = Triton(scratch.target, seconds=30, in_flight=4, shares_memory=True)
    await client.infer(QUICK, a_tile())
    await client.infer(SLOW, a_tile())
    yield client
    await client.close()


def a_tile(height: int = 40, width: int = 24) -> np.ndarray[Any, Any]:
    return RANDOM.integers(0, 256, (1, 3, height, width), np.uint8)


def larger(tile: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return tile.repeat(2, 2).repeat(2, 3)


def are_larger(answers: list[Answer], tiles: list[np.ndarray[Any, Any]]) -> bool:
    pairs = zip(answers, tiles, strict=True)
    return all(np.array_equal(answer.upscaled, larger(tile)) for answer, tile in pairs)


def files_of(triton: Triton) -> list[Path]:
    regions = triton._transport._shared_memory
    return [FOLDER / name for name in (*(region.name for region in regions._free), *regions._abandoned)]


async def registered_regions(triton: Triton) -> set[str]:
    """Return the names of this client's regions that Triton knows."""
    status = await triton._client.get_system_shared_memory_status()
    return {path.name for path in files_of(triton)} & set(status.regions if status else ())


async def test_answers_through_shared_memory_are_correct(triton: Triton) -> None:
    tiles = [a_tile(20 + number, 30) for number in range(12)]

    answers = await asyncio.gather(*(triton.infer(QUICK, tile) for tile in tiles))

    assert are_larger(answers, tiles)
    assert 1 <= len(await registered_regions(triton)) <= 4


async def test_a_larger_tile_replaces_the_region_of_a_smaller_one(triton: Triton) -> None:
    await triton.infer(QUICK, a_tile())
    before = files_of(triton)
    tile = a_tile(600, 500)

    answer = await triton.infer(QUICK, tile)

    assert np.array_equal(answer.upscaled, larger(tile))
    assert len(files_of(triton)) == len(before) == 1
    assert not before[0].exists()
    assert files_of(triton)[0].stat().st_size >= 5 * tile.nbytes


async def test_a_closed_client_leaves_no_file(scratch: ScratchTriton) -> None:
    triton = Triton(scratch.target, seconds=30, shares_memory=True)
    for _ in range(2):
        await triton.infer(QUICK, a_tile())
    [file] = files_of(triton)
    existed = file.exists()

    await triton.close()

    assert existed
    assert not file.exists()


async def test_regions_are_registered_again_after_triton_was_restarted(
    scratch: ScratchTriton, triton: Triton
) -> None:
    await triton.infer(QUICK, a_tile())
    before = await registered_regions(triton)
    await scratch.supervisor.kill("triton")
    await scratch.supervisor.restart("triton")
    tiles = [a_tile() for _ in range(3)]

    answers = [await triton.infer(QUICK, tile) for tile in tiles]

    assert are_larger(answers, tiles)
    assert await registered_regions(triton) == before != set()


async def test_a_region_that_triton_still_writes_to_is_not_used_for_another_tile(triton: Triton) -> None:
    abandoned = asyncio.create_task(triton.infer(SLOW, a_tile()))
    await poll(lambda: has_registered_region(triton, abandoned))
    abandoned.cancel()
    await asyncio.wait({abandoned})
    tiles = [a_tile() for _ in range(3)]

    answers = [await triton.infer(QUICK, tile) for tile in tiles]

    assert are_larger(answers, tiles)
    await triton.infer(SLOW, a_tile())
    await poll(lambda: has_none_abandoned(triton))


async def has_registered_region(triton: Triton, task: asyncio.Task[object]) -> bool:
    """Return whether Triton knows the tile's region, which means that the tile is on its way."""
    status = await triton._client.get_system_shared_memory_status()
    return task.done() or bool(status and len(status.regions))


async def has_none_abandoned(triton: Triton) -> bool:
    await triton._transport._shared_memory._unregister_abandoned()
    return not triton._transport._shared_memory._abandoned


async def test_tiles_for_a_triton_without_access_to_our_memory_go_through_the_socket(
    faulty: FaultyTriton,
) -> None:
    triton = Triton(faulty.target, seconds=5, shares_memory=True)
    tiles = [a_tile() for _ in range(4)]

    with capture_logs() as lines:
        answers = [await triton.infer(QUICK, tile) for tile in tiles]
    await triton.close()

    assert are_larger(answers, tiles)
    assert [line["event"] for line in lines] == ["shared memory cannot be used; tiles go through the socket"]
    assert not files_of(triton)


async def test_a_full_dev_shm_is_an_error_and_leaves_no_file(scratch: ScratchTriton, triton: Triton) -> None:
    regions = SharedMemory(triton._client)
    before = set(FOLDER.iterdir())

    with pytest.raises(NoSharedMemory, match="no room"):
        async with regions.borrow(1 << 50, 5):
            pass

    assert {path for path in set(FOLDER.iterdir()) - before if path.name.startswith("loupe")} == set()


@contextlib.contextmanager
def another_worker() -> Generator[tuple[subprocess.Popen[str], Path]]:
    """Run another worker. Yield its process and its shared memory file."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        file = FOLDER / running.stdout.readline().strip()
        try:
            yield running, file
        finally:
            running.kill()
            running.wait()
            file.unlink(missing_ok=True)


async def test_the_files_of_a_killed_worker_are_removed_and_those_of_live_workers_stay(
    scratch: ScratchTriton, triton: Triton
) -> None:
    with another_worker() as (killed, leftover), another_worker() as (_, alive):
        ours = Region(1 << 20)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        found = leftover in find_leftovers()

        await Triton(scratch.target, seconds=5, shares_memory=True).open()

        assert found
        assert not leftover.exists()
        assert alive.exists()
        assert (FOLDER / ours.name).exists()
    ours.remove()
