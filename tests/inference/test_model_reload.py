"""A model whose process died is loaded again. Triton itself still reports such a model as ready."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from inference.networks.network import Network
from inference.picture import Picture
from inference.triton.client import Triton
from inference.triton.errors import ModelDied, TritonUnavailable
from loupe_local.triton import SHARED_MEMORY
from tests.images.harness import poll
from tests.inference.conftest import triton_at
from tests.inference.pictures import upscaled
from tests.inference.scratch_triton import DEADLY, QUICK, SLOW, ScratchTriton, scratch_triton

PIXELS = np.random.default_rng(3).integers(0, 256, (150, 200, 3), np.uint8)
TILE = np.ascontiguousarray(PIXELS[:64, :64].transpose(2, 0, 1)[np.newaxis])
NETWORK = Network(SLOW, scale=2, overlap=4)


@pytest.fixture(scope="module")
async def scratch(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ScratchTriton]:
    # these tests kill more models than the usual limit, after which Triton would be started anew
    async with scratch_triton(tmp_path_factory.mktemp("triton"), most_losses=100) as running:
        yield running


@pytest.fixture
async def triton(scratch: ScratchTriton) -> AsyncGenerator[Triton]:
    async with triton_at(scratch.target, seconds=30, in_flight=4) as client:
        yield client


def reloads(model: str, outcome: str = "done") -> float:
    labels = {"model": model, "outcome": outcome}
    return REGISTRY.get_sample_value("loupe_triton_reloads_total", labels) or 0.0


async def test_a_picture_is_finished_although_its_model_dies_meanwhile(
    scratch: ScratchTriton, triton: Triton
) -> None:
    before, progressed = reloads(SLOW), asyncio.Event()

    def progress(share: float) -> None:
        progressed.set()

    working = asyncio.create_task(
        upscaled(
            Picture(PIXELS, "PNG"),
            (400, 300),
            triton.infer,
            networks=(NETWORK,),
            tile=64,
            in_flight=4,
            progress=progress,
        )
    )
    await asyncio.wait_for(progressed.wait(), 30)
    scratch.kill(SLOW)
    result = await asyncio.wait_for(working, 60)

    assert np.array_equal(result.pixels, PIXELS.repeat(2, 0).repeat(2, 1))
    assert reloads(SLOW) == before + 1
    assert triton.is_healthy


async def test_a_canary_reloads_a_dead_model_before_a_picture_needs_it(
    scratch: ScratchTriton, triton: Triton
) -> None:
    await triton.infer(QUICK, TILE)
    dead = scratch.process_of(QUICK)
    before = reloads(QUICK)
    dead.kill()

    await triton.send_canaries([QUICK])

    assert scratch.process_of(QUICK).pid != dead.pid
    assert reloads(QUICK) == before + 1


async def test_two_workers_that_find_the_same_model_dead_both_get_answers(scratch: ScratchTriton) -> None:
    async with triton_at(scratch.target, seconds=30) as one, triton_at(scratch.target, seconds=30) as other:
        await asyncio.gather(*(client.infer(QUICK, TILE) for client in (one, other)))
        scratch.kill(QUICK)

        answers = await asyncio.gather(*(client.infer(QUICK, TILE) for client in (one, other)))

    assert all(np.array_equal(answer.upscaled, TILE.repeat(2, 2).repeat(2, 3)) for answer in answers)


async def test_a_triton_that_may_load_no_models_makes_the_worker_unready_until_triton_restarts(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("triton")
    async with (
        scratch_triton(folder, {"LOUPE_TRITON_CONTROL": "none"}) as scratch,
        triton_at(scratch.target, seconds=30) as triton,
    ):
        await triton.infer(QUICK, TILE)
        scratch.kill(QUICK)
        with pytest.raises(TritonUnavailable, match="died"):
            await triton.infer(QUICK, TILE)
        was_healthy = triton.is_healthy

        await scratch.supervisor.restart("triton")
        watching = asyncio.create_task(triton.watch(lambda: [QUICK], 0.1))
        await poll(lambda: is_healthy(triton))
        watching.cancel()

    assert not was_healthy


async def is_healthy(triton: Triton) -> bool:
    return triton.is_healthy


async def test_only_the_tile_that_kills_its_model_fails(scratch: ScratchTriton, triton: Triton) -> None:
    await triton.infer(SLOW, TILE)
    deadly = np.full_like(TILE, DEADLY)

    killing, *others = await asyncio.gather(
        *(triton.infer(SLOW, tile) for tile in (deadly, TILE, TILE, TILE)), return_exceptions=True
    )

    assert type(killing) is ModelDied
    for answer in others:
        assert not isinstance(answer, BaseException)
        assert np.array_equal(answer.upscaled, TILE.repeat(2, 2).repeat(2, 3))


async def test_a_reload_continues_when_its_caller_is_cancelled(
    scratch: ScratchTriton, triton: Triton
) -> None:
    await triton.infer(QUICK, TILE)
    dead, before = scratch.process_of(QUICK), reloads(QUICK)
    dead.kill()
    request = asyncio.create_task(triton.infer(QUICK, TILE))
    await poll(lambda: is_gone(triton, QUICK))
    request.cancel()
    await asyncio.wait({request})

    await poll(lambda: is_loaded(triton, QUICK))

    assert request.cancelled()
    await poll(lambda: is_reloaded(QUICK, before))


async def test_a_model_whose_reload_failed_is_loaded_as_soon_as_it_can_be(
    scratch: ScratchTriton, triton: Triton, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await triton.infer(QUICK, TILE)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / QUICK
    (scratch.models / QUICK).rename(elsewhere)
    scratch.kill(QUICK)
    with pytest.raises(TritonUnavailable):
        await triton.infer(QUICK, TILE)
    with pytest.raises(TritonUnavailable):
        await triton.infer(QUICK, TILE)
    elsewhere.rename(scratch.models / QUICK)

    answer = await triton.infer(QUICK, TILE)

    assert np.array_equal(answer.upscaled, TILE.repeat(2, 2).repeat(2, 3))


async def test_a_starting_worker_loads_a_model_that_another_worker_left_unloaded(
    scratch: ScratchTriton, triton: Triton
) -> None:
    await triton._client.unload_model(QUICK)
    await poll(lambda: is_gone(triton, QUICK))

    await triton.load_missing()

    assert await is_loaded(triton, QUICK)


async def is_gone(triton: Triton, model: str) -> bool:
    return not await is_loaded(triton, model)


async def is_loaded(triton: Triton, model: str) -> bool:
    return await triton.has(model)


async def is_reloaded(model: str, before: float) -> bool:
    return reloads(model) == before + 1


async def test_a_dead_model_leaves_no_shared_memory_behind_when_triton_ends(tmp_path: Path) -> None:
    async with scratch_triton(tmp_path) as running:
        port = running.target.rpartition(":")[2]
        running.kill(QUICK)
        before = list(SHARED_MEMORY.glob(f"loupe-triton-{port}-*"))

    assert before
    assert list(SHARED_MEMORY.glob(f"loupe-triton-{port}-*")) == []
