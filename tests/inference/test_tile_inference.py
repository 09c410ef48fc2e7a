"""A tile that is too large for Triton's memory is inferred in halves."""

from typing import Any

import grpc
import numpy as np
import pytest

from inference.networks.network import Answer, Network, Tensor, TileTooLarge
from inference.tiling.tile_inference import infer_tile
from inference.tiling.tiles import Box
from inference.triton.client import Triton
from inference.triton.errors import OutOfMemory, TritonFailed
from tests.inference.conftest import FaultyTriton, doubled, pixels_of

NETWORK = Network("span_x2", scale=2, overlap=6)
TWO_PASSES = Network("span_x2", scale=4, overlap=6, passes=2)
RANDOM = np.random.default_rng(2)


def a_tile(height: int, width: int) -> Tensor:
    return RANDOM.integers(0, 256, (1, 3, height, width), np.uint8)


def box_of(tile: Tensor) -> Box:
    return Box(0, 0, tile.shape[3], tile.shape[2])


class SmallMemory:
    """A model that refuses tiles of more than `most` pixels. It mixes pixels up to `reach` apart."""

    def __init__(self, most: int, reach: int = NETWORK.overlap) -> None:
        self.most, self.reach, self.refused = most, reach, 0

    async def __call__(self, name: str, tile: Tensor) -> Answer:
        height, width = tile.shape[2:]
        if height * width > self.most:
            self.refused += 1
            raise TileTooLarge(f"{height} x {width}")
        padded = np.pad(tile.astype(np.int64), ((0, 0), (0, 0), (self.reach,) * 2, (self.reach,) * 2))
        side = 2 * self.reach + 1
        near = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(2, 3)).sum(axis=(4, 5))
        mixed = (near * 7 % 251).astype(np.uint8)
        return Answer(mixed.repeat(2, 2).repeat(2, 3), (mixed[:, :1] > 125).astype(np.uint8))


@pytest.mark.parametrize("network", [NETWORK, TWO_PASSES], ids=["one pass", "two passes"])
@pytest.mark.parametrize("size", [(150, 151), (97, 200), (200, 97)])
@pytest.mark.parametrize("most", [20_000, 9_000, 5_000])
async def test_halves_and_their_halves_give_the_same_result_as_the_whole_tile(
    network: Network, size: tuple[int, int], most: int
) -> None:
    tile, small = a_tile(*size), SmallMemory(most)

    whole = await infer_tile(network, SmallMemory(1 << 30), tile, box_of(tile))
    found = await infer_tile(network, small, tile, box_of(tile))

    assert np.array_equal(found.upscaled, whole.upscaled)
    assert found.uncertainty is not None
    assert whole.uncertainty is not None
    assert np.array_equal(found.uncertainty, whole.uncertainty)
    assert (small.refused > 0) is (size[0] * size[1] > most or network is TWO_PASSES)


async def test_a_later_pass_gets_no_larger_tiles_than_the_first_one() -> None:
    tile, sizes = a_tile(160, 150), list[int]()
    model = SmallMemory(1 << 30)

    async def infer(name: str, tensor: Tensor) -> Answer:
        sizes.append(tensor.shape[2] * tensor.shape[3])
        return await model(name, tensor)

    whole = await infer_tile(TWO_PASSES, model, tile, box_of(tile))
    found = await infer_tile(TWO_PASSES, infer, tile, box_of(tile), longest_side=160)

    assert np.array_equal(found.upscaled, whole.upscaled)
    assert len(sizes) == 5
    assert max(sizes) <= (160 + 2 * TWO_PASSES.overlap) ** 2


async def test_the_smallest_tiles_are_not_halved() -> None:
    tile, small = a_tile(300, 300), SmallMemory(0)

    with pytest.raises(TileTooLarge):
        await infer_tile(NETWORK, small, tile, box_of(tile))

    assert small.refused < 10


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "too much"),
        (grpc.StatusCode.INTERNAL, "CUDA failure 2: out of memory"),
        (grpc.StatusCode.INTERNAL, "Failed to allocate memory for requested buffer of size 3145728"),
        (grpc.StatusCode.INTERNAL, "RuntimeError: std::bad_alloc"),
        (
            grpc.StatusCode.INTERNAL,
            "Error details: model expected the shape of dimension 2 to be between 1 and 100 but received 300",
        ),
        (grpc.StatusCode.INTERNAL, "Failed to increase the shared memory pool size for key 'x' to 9 bytes"),
    ],
)
async def test_each_message_about_memory_halves_the_tile(
    faulty: FaultyTriton, triton: Triton, code: grpc.StatusCode, message: str
) -> None:
    async def refusing(request: Any, context: Any) -> Any:
        if pixels_of(request).size > 3 * 100 * 100:
            await context.abort(code, message)
        return await doubled(request, context)

    faulty.answer = refusing
    tile = a_tile(120, 300)

    answer = await infer_tile(NETWORK, triton.infer, tile, box_of(tile))

    assert np.array_equal(answer.upscaled, tile.repeat(2, 2).repeat(2, 3))
    assert faulty.requests > 3


async def test_other_errors_do_not_halve_the_tile(faulty: FaultyTriton, triton: Triton) -> None:
    async def failing(_: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.INTERNAL, "an illegal instruction")

    faulty.answer = failing
    tile = a_tile(120, 300)

    with pytest.raises(TritonFailed) as caught:
        await infer_tile(NETWORK, triton.infer, tile, box_of(tile))

    assert not isinstance(caught.value, OutOfMemory)
    assert faulty.requests == 1
