"""Tiles go to the real Triton and back, and each fault of a misbehaving Triton raises the right error."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from inference.networks.network import Answer, BadAnswer, Network, Tensor, TileTooLarge
from inference.picture import Picture
from inference.triton.client import Triton
from inference.triton.errors import TritonFailed, TritonTimeout, TritonUnavailable
from loupe_local.stack import Stack
from tests.inference.built_models import CLEAN, FAITHFUL
from tests.inference.conftest import FaultyTriton, an_answer, pixels_of, triton_at
from tests.inference.pictures import upscaled

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "coffee.png"
NETWORKS = (*FAITHFUL.networks, *CLEAN.networks)
EXACT = {network.name for network in CLEAN.networks}
TILE = np.random.default_rng(7).integers(0, 256, (1, 3, 24, 40), np.uint8)


@pytest.fixture(scope="module")
async def real(stack: Stack) -> AsyncGenerator[Triton]:
    assert stack.stores.triton
    running = stack.stores.triton
    async with triton_at(running.grpc, seconds=60, secret=running.secret) as client:
        yield client


def a_picture() -> Picture:
    return Picture(np.ascontiguousarray(TILE[0].transpose(1, 2, 0)), "PNG")


@pytest.mark.parametrize("network", FAITHFUL.networks, ids=lambda network: network.name)
async def test_a_network_enlarges_by_its_scale_and_always_answers_the_same(
    real: Triton, network: Any
) -> None:
    first, uncertainty, _ = await real.infer(network.name, TILE)
    second, *_ = await real.infer(network.name, TILE)

    assert (first.dtype, first.shape) == (np.uint8, (1, 3, 24 * network.scale, 40 * network.scale))
    assert np.array_equal(first, second)
    assert first.std() > 10
    assert uncertainty is not None
    assert (uncertainty.dtype, uncertainty.shape) == (np.uint8, (1, 1, 24, 40))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: f"{network.name}-{network.scale}")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
async def test_a_picture_in_tiles_equals_the_picture_in_one_piece(
    real: Triton, network: Network, dtype: Any
) -> None:
    """One level of 256 may differ, or 16 of 65,536, because rounding depends on the size of the tile."""
    photo = np.asarray(Image.open(PHOTO).convert("RGB").resize((230, 150)))
    picture = Picture(photo.astype(dtype) * dtype(257 if dtype == np.uint16 else 1), "PNG")
    size = (230 * network.scale, 150 * network.scale)

    whole = await upscaled(picture, size, real.infer, networks=(network,), tile=512)
    tiled = await upscaled(picture, size, real.infer, networks=(network,), tile=96)

    difference = np.abs(whole.pixels.astype(int) - tiled.pixels)
    assert difference.max() <= (1 if dtype == np.uint8 else 16)
    assert (difference > 0).mean() < (1e-4 if dtype == np.uint8 else 0.2)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: f"{network.name}-{network.scale}")
async def test_a_picture_in_halved_tiles_equals_the_picture_in_one_piece(
    real: Triton, network: Network
) -> None:
    async def small(name: str, tile: Tensor) -> Answer:
        if tile.shape[2] * tile.shape[3] > 14_000:
            raise TileTooLarge(name)
        return await real.infer(name, tile)

    photo = np.asarray(Image.open(PHOTO).convert("RGB").resize((170, 130)))
    size = (170 * network.scale, 130 * network.scale)

    whole = await upscaled(Picture(photo, "PNG"), size, real.infer, networks=(network,))
    halved = await upscaled(Picture(photo, "PNG"), size, small, networks=(network,))

    assert np.abs(whole.pixels.astype(int) - halved.pixels).max() <= 1


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: f"{network.name}-{network.scale}")
@pytest.mark.parametrize("level", [0, 128, 255])
async def test_plain_grey_keeps_its_level(real: Triton, network: Network, level: int) -> None:
    picture = Picture(np.full((60, 80, 3), level, np.uint8), "PNG")

    result = await upscaled(
        picture, (80 * network.scale, 60 * network.scale), real.infer, networks=(network,)
    )

    assert np.abs(result.pixels[16:-16, 16:-16].astype(int) - level).max() <= (
        0 if network.name in EXACT else 1
    )


async def test_parallel_requests_of_different_sizes_get_their_own_answers(real: Triton) -> None:
    tiles = [np.full((1, 3, 16 + number, 20), 20 * number, np.uint8) for number in range(6)]

    results = await asyncio.gather(*(real.infer("span_x2", tile) for tile in tiles))

    for number, (result, *_) in enumerate(results):
        assert result.shape == (1, 3, 2 * (16 + number), 40)
        assert abs(float(result.mean()) - 20 * number) < 8


async def test_every_network_is_ready(real: Triton) -> None:
    assert all([await real.has(network.name) for network in FAITHFUL.networks])


async def test_a_missing_model_is_not_ready_and_its_requests_fail(real: Triton) -> None:
    assert not await real.has("no_such_model")
    with pytest.raises(TritonFailed, match="no_such_model"):
        await real.infer("no_such_model", TILE)


async def test_a_request_to_a_hanging_triton_fails_at_its_deadline(
    faulty: FaultyTriton, triton: Triton
) -> None:
    faulty.answer = hanging

    async with asyncio.timeout(30):
        with pytest.raises(TritonTimeout, match="Deadline Exceeded"):
            await triton.infer("span_x2", TILE)


async def test_a_triton_that_cannot_be_reached_is_away() -> None:
    async with triton_at("127.0.0.1:9", seconds=1.0) as unreachable:
        with pytest.raises(TritonUnavailable):
            await unreachable.infer("span_x2", TILE)
        with pytest.raises(TritonUnavailable, match="UNAVAILABLE"):
            await unreachable.has("span_x2")
        with pytest.raises(TritonUnavailable, match="UNAVAILABLE"):
            await unreachable.load_missing()


@pytest.mark.parametrize(
    ("code", "is_away"),
    [
        (grpc.StatusCode.UNAVAILABLE, True),
        (grpc.StatusCode.INTERNAL, False),
        (grpc.StatusCode.INVALID_ARGUMENT, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, False),
        (grpc.StatusCode.CANCELLED, False),
    ],
)
async def test_only_the_status_unavailable_means_that_triton_is_away(
    faulty: FaultyTriton, triton: Triton, code: grpc.StatusCode, is_away: bool
) -> None:
    faulty.answer = aborting(code)

    with pytest.raises(TritonFailed) as caught:
        await triton.infer("span_x2", TILE)

    assert isinstance(caught.value, TritonUnavailable) is is_away


async def test_an_answer_without_its_output_is_a_failure(faulty: FaultyTriton, triton: Triton) -> None:
    async def other(request: Any, _: Any) -> Any:
        return an_answer(pixels_of(request), name="OTHER")

    faulty.answer = other

    with pytest.raises(TritonFailed, match="without UPSCALED"):
        await triton.infer("span_x2", TILE)


@pytest.mark.parametrize(
    ("shape", "dtype", "datatype"),
    [
        ((1, 3, 24, 40), np.uint8, "UINT8"),
        ((1, 3, 80, 48), np.uint8, "UINT8"),
        ((1, 1, 48, 80), np.uint8, "UINT8"),
        ((3, 48, 80), np.uint8, "UINT8"),
        ((2, 3, 48, 80), np.uint8, "UINT8"),
        ((1, 3, 48, 80), np.float32, "FP32"),
        ((0,), np.uint8, "UINT8"),
    ],
)
async def test_an_answer_of_another_shape_never_becomes_a_picture(
    faulty: FaultyTriton, triton: Triton, shape: tuple[int, ...], dtype: Any, datatype: str
) -> None:
    async def wrong(*_: Any) -> Any:
        return an_answer(np.zeros(shape, dtype), datatype=datatype)

    faulty.answer = wrong

    with pytest.raises(BadAnswer):
        await upscaled(a_picture(), (80, 48), triton.infer)


async def test_bytes_that_do_not_fit_their_shape_never_become_a_picture(
    faulty: FaultyTriton, triton: Triton
) -> None:
    async def short(request: Any, _: Any) -> Any:
        answer = an_answer(np.zeros((1, 3, 48, 80), np.uint8))
        answer.raw_output_contents[0] = answer.raw_output_contents[0][:-1]
        return answer

    faulty.answer = short

    with pytest.raises((TritonFailed, BadAnswer, ValueError)):
        await upscaled(a_picture(), (80, 48), triton.infer)


async def test_no_more_tiles_than_allowed_are_in_flight(faulty: FaultyTriton) -> None:
    running = most = 0

    async def counted(request: Any, _: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return an_answer(pixels_of(request))

    faulty.answer = counted
    async with triton_at(faulty.target, seconds=5, in_flight=3) as client:
        await asyncio.gather(*(client.infer("span_x2", TILE) for _ in range(20)))

    assert (most, faulty.requests) == (3, 20)


async def test_a_failed_request_lets_the_next_one_start(faulty: FaultyTriton) -> None:
    async with triton_at(faulty.target, seconds=5, in_flight=1) as client:
        good, faulty.answer = faulty.answer, aborting(grpc.StatusCode.INTERNAL)
        for _ in range(3):
            with pytest.raises(TritonFailed):
                await client.infer("span_x2", TILE)
        faulty.answer = good

        assert (await client.infer("span_x2", TILE)).upscaled.shape == (1, 3, 48, 80)


async def hanging(*_: Any) -> Any:
    await asyncio.Event().wait()


def aborting(code: grpc.StatusCode) -> Any:
    async def answer(_: Any, context: Any) -> Any:
        await context.abort(code, "as the test wants it")

    return answer
