"""After some models have died inside Triton it is started anew, so nothing that they left stays."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import psutil
import pytest

from inference.triton.client import Triton
from inference.triton.errors import TritonFailed
from loupe_local.component import NotReady
from loupe_local.process import is_alive
from loupe_local.triton import SHARED_MEMORY, count_dead_models
from tests.images.harness import poll
from tests.inference.conftest import triton_at
from tests.inference.scratch_triton import QUICK, SLOW, ScratchTriton, scratch_triton

TILE = np.full((1, 3, 64, 64), 128, np.uint8)
MOST_LOSSES = 3
"""Fewer than usual, because each model takes seconds to be loaded again."""


@pytest.fixture
async def scratch(tmp_path: Path) -> AsyncGenerator[ScratchTriton]:
    async with scratch_triton(tmp_path, most_losses=MOST_LOSSES) as running:
        yield running


def pid_of(scratch: ScratchTriton) -> int:
    """Return the id of Triton's process, or 0 while it is not running."""
    try:
        return scratch.supervisor.pid("triton")
    except NotReady:
        return 0


async def kill_and_reload(scratch: ScratchTriton, triton: Triton) -> None:
    scratch.kill(QUICK)
    with contextlib.suppress(TritonFailed):  # Triton is just being started anew
        await triton.infer(QUICK, TILE)


async def test_after_the_last_dead_model_that_is_allowed_triton_is_a_new_process_and_answers(
    scratch: ScratchTriton,
) -> None:
    first = pid_of(scratch)
    async with triton_at(scratch.target, seconds=30) as triton:
        for _ in range(MOST_LOSSES - 1):
            await kill_and_reload(scratch, triton)
        before_the_last = pid_of(scratch)
        await kill_and_reload(scratch, triton)
        await poll(lambda: asyncio.to_thread(lambda: pid_of(scratch) not in {0, first}), 60)
        await poll(lambda: asyncio.to_thread(lambda: scratch.supervisor.is_ready("triton")), 60)
        answer = await triton.infer(QUICK, TILE)

    assert before_the_last == first
    assert count_dead_models(pid_of(scratch)) == 0
    assert answer.upscaled.shape == (1, 3, 128, 128)


async def test_a_triton_with_a_dead_model_is_killed_at_once_when_it_has_to_stop(tmp_path: Path) -> None:
    async with scratch_triton(tmp_path) as scratch:
        port = scratch.server.grpc_port
        processes = psutil.Process(pid_of(scratch)).children()
        for model in (QUICK, SLOW):
            scratch.kill(model)

    log = (tmp_path / "triton.log").read_text()
    assert "2 of its processes died, and it cannot stop by itself; killed" in log
    assert "still running" not in log
    assert not [process for process in processes if is_alive(process)]
    assert list(SHARED_MEMORY.glob(f"loupe-triton-{port}-*")) == []


async def test_triton_removes_at_its_start_what_one_with_its_port_left_that_was_killed(
    scratch: ScratchTriton,
) -> None:
    left = SHARED_MEMORY / f"loupe-triton-{scratch.server.grpc_port}-left"
    others = SHARED_MEMORY / f"loupe-triton-{scratch.server.grpc_port}1-other"
    await scratch.supervisor.stop("triton")
    try:
        left.touch()
        others.touch()

        await scratch.supervisor.restart("triton")

        assert not left.exists()
        assert others.exists()
    finally:
        left.unlink(missing_ok=True)
        others.unlink(missing_ok=True)
