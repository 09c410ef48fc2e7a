"""Results have exactly the requested size, and tiles leave no seams."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from inference.networks.network import Answer, Tensor
from inference.picture import Format, Picture
from inference.pipeline import render
from inference.render_spec import RenderSpec
from inference.tiling.tiles import Tiling
from tests.inference.built_models import CLEAN, FAITHFUL
from tests.inference.golden import nearest, noise, read
from tests.inference.pictures import upscaled

PHOTOS = Path(__file__).parents[2] / "docs" / "photos"
SIDES = (1, 2, 3, 7, 64, 65, 131)
PRIMES = (211, 149)


async def size_of(
    picture: Picture, target: tuple[int, int], file_format: Format = "PNG", tile: int = 64
) -> Any:
    result = read(
        await render(picture, RenderSpec(target, file_format, FAITHFUL.networks, Tiling(tile)), nearest)
    )
    return result.shape[1], result.shape[0], result.shape[2]


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("width", SIDES)
async def test_each_factor_multiplies_the_size_exactly(width: int, factor: int) -> None:
    for height in SIDES:
        picture = Picture(noise(width, height, 3), "PNG")

        assert await size_of(picture, (width * factor, height * factor)) == (
            width * factor,
            height * factor,
            3,
        )


@pytest.mark.parametrize("source", [(1, 1), (1, 5), (5, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("depth", [8, 16])
async def test_every_target_of_a_small_picture_is_met(source: tuple[int, int], depth: int) -> None:
    width, height = source
    picture = Picture(noise(width, height, 3, depth), "PNG")

    for target in product(range(width, 4 * width + 1), range(height, 4 * height + 1)):
        assert await size_of(picture, target) == (*target, 3)


@pytest.mark.parametrize("target", [(213, 149), (211, 596), (844, 150), (500, 333), (843, 595)])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
async def test_odd_targets_are_met_in_every_format(target: tuple[int, int], file_format: Format) -> None:
    picture = Picture(noise(*PRIMES, 3), "PNG")

    assert await size_of(picture, target, file_format) == (*target, 3)


@pytest.mark.parametrize("tile", [64, 72, 104, 1000])
@pytest.mark.parametrize("target", [(422, 298), (844, 596), (633, 447), (500, 333)])
@pytest.mark.parametrize("depth", [8, 16])
async def test_a_network_without_context_leaves_no_trace_of_tiles(
    tile: int, target: tuple[int, int], depth: int
) -> None:
    picture = Picture(noise(*PRIMES, 3, depth), "PNG")

    whole, tiled = [await upscaled(picture, target, nearest, tile=each) for each in (512, tile)]

    # Pillow computes the position of a strip in single precision
    assert np.abs(whole.pixels.astype(int) - tiled.pixels).max() <= (1 if depth == 8 else 8)


async def doubting_red(name: str, tensor: Tensor) -> Answer:
    """Doubt red pixels wherever they are in a tile. The clean network paints them blue."""
    scale = int(name.removesuffix("_float")[-1])
    larger = tensor.repeat(scale, 2).repeat(scale, 3)
    if name.removesuffix("_float") == CLEAN.networks[0].name:
        return Answer(larger[:, ::-1].copy())
    red = 200 if tensor.dtype == np.uint8 else 200 / 255
    return Answer(larger, np.where(tensor[:, :1] > red, np.uint8(255), np.uint8(0)))


@pytest.mark.parametrize("tile", [64, 72, 104, 136])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("depth", [8, 16])
async def test_doubt_across_tiles_leaves_no_seam(tile: int, factor: int, depth: int) -> None:
    image = Image.fromarray(np.asarray(Image.open(PHOTOS / "chelsea.png").convert("RGB").resize(PRIMES)) // 2)
    pen = ImageDraw.Draw(image)
    pen.line((0, 40, 211, 120), fill=(255, 10, 30), width=2)
    pen.point([(64, 64), (105, 3), (210, 148), (0, 0)], fill=(255, 10, 30))
    samples = np.asarray(image)
    picture = Picture(samples if depth == 8 else samples.astype(np.uint16) * np.uint16(257), "PNG")
    size = (PRIMES[0] * factor, PRIMES[1] * factor)

    whole, tiled = [await upscaled(picture, size, doubting_red, tile=each) for each in (512, tile)]

    difference = np.abs(whole.pixels.astype(int) - tiled.pixels)
    assert difference.max() <= (1 if depth == 8 else 257)
    assert (difference > 0).mean() < 0.02
