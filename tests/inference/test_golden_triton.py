"""With each network of the real Triton, tiles leave no seams, and 16 bits stay 16 bits."""

from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from inference.mixing import Mix
from inference.networks.network import Network
from inference.picture import Picture, Pixels
from inference.triton.client import Triton
from loupe_local.stack import Stack
from tests.inference.built_models import ALL_MODELS, ENHANCE_SMALL, FAITHFUL, LEVELS
from tests.inference.conftest import triton_at
from tests.inference.pictures import upscaled

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "coffee.png"
NETWORKS = tuple(network for model in ALL_MODELS for network in model.networks)
WITH_LEVELS = (*NETWORKS, *(levels[0] for levels in LEVELS if levels[0] not in NETWORKS))
PRIMES = ((127, 101), (151, 137), (251, 241))
"""The first of these sizes that is larger than both sizes of tiles is used."""
KINDS = [
    *((network, np.uint8) for network in WITH_LEVELS if not network.is_lazy),
    *((network, np.uint16) for network in WITH_LEVELS),
]
"""A lazy network has only the variant for 16 bits, which takes pictures of 8 bits too."""


@pytest.fixture(scope="module")
async def real(stack: Stack) -> AsyncGenerator[Triton]:
    assert stack.stores.triton
    running = stack.stores.triton
    async with triton_at(running.grpc, seconds=120, secret=running.secret) as client:
        yield client


async def skip_without(real: Triton, network: Network) -> None:
    if not await real.has(network.names[0]):
        pytest.skip(f"this Triton has no {network.name}")


def photo(size: tuple[int, int], kind: type[np.uint8 | np.uint16]) -> Pixels:
    samples = np.asarray(Image.open(PHOTO).convert("RGB").resize(size)).astype(kind)
    return samples * kind(257) if kind is np.uint16 else samples


@pytest.mark.parametrize(
    ("network", "kind"), KINDS, ids=[f"{one.name}-{one.scale}-{kind.__name__}" for one, kind in KINDS]
)
async def test_a_picture_of_prime_size_in_tiles_equals_the_picture_in_one_piece(
    real: Triton, network: Network, kind: type[np.uint8 | np.uint16]
) -> None:
    """The tiles are 24 and 40 pixels larger than the two overlaps."""
    await skip_without(real, network)
    source = next(size for size in PRIMES if min(size) > 2 * network.overlap + 40)
    picture = Picture(photo(source, kind), "PNG")
    size = (source[0] * network.scale, source[1] * network.scale)

    whole, *tiled = [
        await upscaled(picture, size, real.infer, networks=(network,), tile=tile)
        for tile in (512, 2 * network.overlap + 24, 2 * network.overlap + 40)
    ]

    for each in tiled:
        difference = np.abs(whole.pixels.astype(int) - each.pixels)
        assert difference.max() <= (1 if kind is np.uint8 else 32)


async def test_a_blend_of_enhance_and_faithful_has_no_seams_and_keeps_the_colours(real: Triton) -> None:
    await skip_without(real, ENHANCE_SMALL.networks[0])
    picture, scale, block = Picture(photo((192, 128), np.uint8), "PNG"), 4, 64
    options = {"networks": ENHANCE_SMALL.networks, "mix": Mix(FAITHFUL.networks, 0.5)}
    size = (192 * scale, 128 * scale)

    whole, tiled = [
        (await upscaled(picture, size, real.infer, tile=tile, **options)).pixels for tile in (512, 108)
    ]

    assert np.abs(whole.astype(int) - tiled).max() <= 1
    drift = block_means(whole, block) - block_means(picture.pixels, block // scale)
    assert np.abs(drift).max() <= 1


def block_means(pixels: Pixels, side: int) -> npt.NDArray[np.float64]:
    height, width, channels = pixels.shape
    blocks = pixels.reshape(height // side, side, width // side, side, channels)
    return blocks.mean(axis=(1, 3))


@pytest.mark.parametrize("network", FAITHFUL.networks, ids=lambda network: network.name)
async def test_text_that_the_photo_network_doubts_has_no_seams_between_tiles(
    real: Triton, network: Network
) -> None:
    width, height = PRIMES[0]
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    for row in range(0, height, 12):
        pen.text((2, row), "All work and no play makes Jack", fill="black")
    picture = Picture(np.asarray(image), "PNG")
    size = (width * network.scale, height * network.scale)

    whole = await upscaled(picture, size, real.infer, networks=(network,), tile=512)
    tiled = await upscaled(picture, size, real.infer, networks=(network,), tile=64)

    assert np.abs(whole.pixels.astype(int) - tiled.pixels).max() <= 3


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: f"{network.name}-{network.scale}")
async def test_a_ramp_of_16_bits_has_more_levels_than_8_have(real: Triton, network: Network) -> None:
    await skip_without(real, network)
    ramp = np.rint(np.linspace(8000, 57000, 400)).astype(np.uint16)
    picture = Picture(np.broadcast_to(ramp[np.newaxis, :, np.newaxis], (40, 400, 3)).copy(), "PNG")

    result = await upscaled(
        picture, (400 * network.scale, 40 * network.scale), real.infer, networks=(network,)
    )

    row = result.pixels[20 * network.scale, :, 1].astype(int)
    assert result.pixels.dtype == np.uint16
    assert len(np.unique(row)) > 300 * network.scale
    assert np.abs(row[64:-64] - np.linspace(row[64], row[-65], len(row) - 128)).max() < 3 * 257
