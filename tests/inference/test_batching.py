"""A real Triton puts tiles of two jobs into one batch."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import pytest

from inference.networks.network import Network
from inference.picture import Picture
from inference.triton.capacity import Capacity
from inference.triton.client import Triton
from tests.inference.conftest import triton_at
from tests.inference.pictures import upscaled
from tests.inference.scratch_triton import SLOW, scratch_triton

NETWORK = Network(SLOW, scale=2, overlap=4)
RANDOM = np.random.default_rng(4)
SIZES = (170, 240), (150, 300)


@pytest.fixture(scope="module")
async def triton(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Triton]:
    async with (
        scratch_triton(tmp_path_factory.mktemp("triton")) as running,
        triton_at(running.target, seconds=30, in_flight=8) as client,
    ):
        yield client


async def batches(triton: Triton) -> dict[int, int]:
    """Return the number of executions by batch size."""
    found: Any = await triton._client.get_inference_statistics(SLOW)
    return {one.batch_size: one.compute_infer.count for one in found.model_stats[0].batch_stats}


async def test_fixed_tiles_of_two_pictures_of_different_sizes_share_batches(triton: Triton) -> None:
    """Each picture has at most two tiles at Triton, so a batch of three contains tiles of both."""
    pixels = [RANDOM.integers(0, 256, (height, width, 3), np.uint8) for width, height in SIZES]

    results = await asyncio.gather(
        *(
            upscaled(
                Picture(each, "PNG"),
                (2 * each.shape[1], 2 * each.shape[0]),
                triton.infer,
                networks=(NETWORK,),
                tile=64,
                in_flight=2,
                is_fixed=True,
            )
            for each in pixels
        )
    )

    assert max(await batches(triton)) >= 3
    for result, each in zip(results, pixels, strict=True):
        assert np.array_equal(result.pixels, each.repeat(2, 0).repeat(2, 1))


async def test_the_capacity_of_a_model_is_read_from_its_configuration(triton: Triton) -> None:
    assert await triton.capacity(SLOW) == Capacity(is_gpu=False, instances=1, max_batch=8)
