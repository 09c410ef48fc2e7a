"""In bfloat16 the real Triton keeps levels, seams and repeats as exact as in single precision."""

import shutil
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.networks.network import FLOAT_SUFFIX, Network, Tensor
from inference.picture import Picture
from inference.triton.client import Triton
from inference.triton.precision import infer_for, lowest
from inference.triton.tile_turns import Turn
from loupe_local import triton as triton_server
from loupe_local.log import to_file
from loupe_local.supervisor import Supervisor
from tests.inference.built_models import CLEAN, FAITHFUL
from tests.inference.conftest import triton_at
from tests.inference.pictures import upscaled

NETWORKS = (*FAITHFUL.networks, CLEAN.networks[0])
each_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
MARGIN = 24
"""Pixels at the borders of a picture, where networks see the zeros beyond it."""


@pytest.fixture(scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """Yield the address of a Triton that computes 8 bits in bfloat16, whether that is faster here or not."""
    folder = tmp_path_factory.mktemp("rounding")
    for name in ("span_x2", "span_x4", "waifu2x_photo_x2", "span_x2_float"):
        shutil.copytree(triton_server.MODELS / name, folder / "models" / name)
    async with Supervisor(folder, sink=to_file(folder / "log")) as supervisor:
        server = replace(triton_server.triton(supervisor.state), secret="")
        process = triton_server.process(server, models=folder / "models")
        env = {**process.env, "LOUPE_TRITON_PRECISION": "bf16", "LOUPE_TRITON_THREADS": "1"}
        await supervisor.start(replace(process, env=env))
        yield server.grpc


@pytest.fixture(scope="module")
async def rounding(target: str) -> AsyncGenerator[Triton]:
    async with triton_at(target, seconds=60) as client:
        yield client


def photo(width: int, height: int) -> Image.Image:
    path = Path(__file__).parents[2] / "docs" / "photos" / "coffee.png"
    return Image.open(path).convert("RGB").crop((60, 60, 60 + width, 60 + height))


def tile_of(image: Image.Image) -> Tensor:
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)[None])


@each_network
async def test_every_plain_colour_stays_exactly_that_colour(rounding: Triton, network: Network) -> None:
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    tile = np.broadcast_to(levels.repeat(2 * MARGIN + 4), (1, 3, 2 * MARGIN + 4, 52 * 16)).copy()

    answer = await rounding.infer(network.name, tile)

    step = network.pass_scale
    middle = answer.upscaled[0, :, (MARGIN + 2) * step].reshape(3, 16, -1)[
        :, :, MARGIN * step : -MARGIN * step
    ]
    assert answer.precision == "bf16"
    assert np.array_equal(middle, np.broadcast_to(levels[None, :, None], middle.shape))


@each_network
@pytest.mark.parametrize("width_of_level", [1, 2, 5])
async def test_a_smooth_ramp_keeps_every_level_and_never_turns(
    rounding: Triton, network: Network, width_of_level: int
) -> None:
    ramp = np.arange(256, dtype=np.uint8).repeat(width_of_level)
    tile = np.broadcast_to(ramp, (1, 3, 8, len(ramp))).copy()

    answer = await rounding.infer(network.name, tile)

    for row in answer.upscaled[0, :, 4 * network.pass_scale].astype(int):
        assert len(np.unique(row)) == 256
        assert (np.diff(row) >= 0).all()


@each_network
async def test_tiles_equal_the_whole_picture_within_a_level(rounding: Triton, network: Network) -> None:
    picture = Picture(np.asarray(photo(151, 127)), "PNG")
    size = (151 * network.scale, 127 * network.scale)

    whole, tiled = [
        await upscaled(picture, size, rounding.infer, networks=(network,), tile=tile) for tile in (512, 80)
    ]

    assert np.abs(whole.pixels.astype(int) - tiled.pixels).max() <= 1


async def test_the_same_tile_has_the_same_result_each_time(rounding: Triton) -> None:
    tile = tile_of(photo(97, 64))

    answers = [await rounding.infer("span_x4", tile) for _ in range(3)]

    assert all(np.array_equal(answers[0].upscaled, each.upscaled) for each in answers[1:])


@pytest.mark.parametrize("is_gpu", [False, True])
async def test_exact_results_are_those_of_single_precision(rounding: Triton, is_gpu: bool) -> None:
    """On a GPU the network for pictures of 16 bits makes them."""
    tile = tile_of(photo(96, 64))
    expected = await rounding.infer("span_x2" + FLOAT_SUFFIX, tile / np.float32(255))
    rounded = await rounding.infer("span_x2", tile)
    rounding.is_gpu = is_gpu

    found = await infer_for(rounding, Turn(), is_exact=True)("span_x2", tile)

    rounding.is_gpu = False
    levels = np.rint(expected.upscaled * 255)
    assert (found.precision, rounded.precision) == ("f32", "bf16")
    assert np.mean(found.upscaled != levels) < 1e-3
    assert np.mean(rounded.upscaled != levels) > 1e-2


async def test_answers_through_shared_memory_name_their_precision(target: str) -> None:
    client = Triton(target, seconds=30, shares_memory=True)
    tile = tile_of(photo(40, 24))

    first, second = [await client.infer("span_x2", tile) for _ in range(2)]

    await client.close()
    assert (first.precision, second.precision) == ("bf16", "bf16")
    assert np.array_equal(first.upscaled, second.upscaled)


def test_the_lowest_precision_of_an_image_counts() -> None:
    assert [lowest(each) for each in ({"f32", "bf16"}, {"f32", "f16"}, {"f32", ""}, set())] == [
        "bf16",
        "f16",
        "f32",
        "",
    ]
