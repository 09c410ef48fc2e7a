"""The fallback replaces the photo network exactly where that is uncertain, with soft edges."""

import numpy as np
import pytest

from inference.networks.network import Answer
from inference.picture import Picture, Pixels
from tests.inference.built_models import CLEAN
from tests.inference.pictures import upscaled

WIDTH, HEIGHT = 300, 280
PHOTO_LEVEL, FALLBACK_LEVEL = 40, 200


def a_model(uncertain_part: tuple[slice, slice] | None, requests: list[tuple[str, tuple[int, ...]]]):  # noqa: ANN201
    """Return a model that is uncertain in a part of each tile. It and its fallback each paint one level."""

    async def infer(name: str, tensor: Pixels) -> Answer:
        requests.append((name, tensor.shape))
        scale = 4 if name == "span_x4" else 2
        height, width = tensor.shape[2:]
        level = FALLBACK_LEVEL if name == CLEAN.networks[0].name else PHOTO_LEVEL
        uncertainty = None
        if name != CLEAN.networks[0].name:
            uncertainty = np.zeros((1, 1, height, width), np.uint8)
            if uncertain_part is not None:
                uncertainty[0, 0][uncertain_part] = 255
        return Answer(np.full((1, 3, height * scale, width * scale), level, np.uint8), uncertainty)

    return infer


def a_picture(channels: int = 3) -> Picture:
    """Return a picture of two colours: one of a single colour needs no network."""
    pixels = np.zeros((HEIGHT, WIDTH, channels), np.uint8)
    pixels[0, 0, -1] = 200
    return Picture(pixels, "PNG")


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("channels", [1, 3])
async def test_uncertain_places_come_from_the_fallback_and_the_rest_does_not(
    scale: int, channels: int
) -> None:
    requests: list[tuple[str, tuple[int, ...]]] = []
    model = a_model((slice(100, 110), slice(140, 160)), requests)

    result = await upscaled(a_picture(channels), (WIDTH * scale, HEIGHT * scale), model)

    pixels = result.pixels[:, :, 0].astype(int)
    assert (pixels[100 * scale : 110 * scale, 140 * scale : 160 * scale] == FALLBACK_LEVEL).all()
    assert (pixels[: 60 * scale] == PHOTO_LEVEL).all()
    assert (pixels[150 * scale :] == PHOTO_LEVEL).all()
    assert np.abs(np.diff(pixels, axis=0)).max() < 40
    assert np.abs(np.diff(pixels, axis=1)).max() < 40


async def test_the_fallback_is_not_used_if_the_model_is_certain() -> None:
    requests: list[tuple[str, tuple[int, ...]]] = []

    result = await upscaled(a_picture(), (WIDTH * 2, HEIGHT * 2), a_model(None, requests))

    assert {name for name, _ in requests} == {"span_x2"}
    assert (result.pixels == PHOTO_LEVEL).all()


async def test_only_tiles_with_uncertain_pixels_get_the_fallback() -> None:
    requests: list[tuple[str, tuple[int, ...]]] = []
    model = a_model((slice(0, 4), slice(0, 4)), requests)

    await upscaled(a_picture(), (WIDTH * 2, HEIGHT * 2), model)

    assert [name for name, _ in requests].count(CLEAN.networks[0].name) == 1


async def test_uncertainty_everywhere_leaves_nothing_of_the_photo_model() -> None:
    requests: list[tuple[str, tuple[int, ...]]] = []
    model = a_model((slice(None), slice(None)), requests)

    result = await upscaled(a_picture(), (WIDTH * 4, HEIGHT * 4), model)

    assert (result.pixels == FALLBACK_LEVEL).all()
