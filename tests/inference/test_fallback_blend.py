"""The photo model's doubt: the clean model takes its place there, softly, and nowhere else."""

import numpy as np
import pytest

from inference.networks.network import Answer
from inference.picture import Picture, Pixels
from tests.inference.built_models import CLEAN
from tests.inference.pictures import upscaled

WIDTH, HEIGHT = 300, 280
PHOTO_LEVEL, CLEAN_LEVEL = 40, 200


def a_model(doubtful: tuple[slice, slice] | None, asked: list[tuple[str, tuple[int, ...]]]):  # noqa: ANN201
    """Paints one level for the photo model, another for the clean one; doubts this part of each tile."""

    async def infer(name: str, tensor: Pixels) -> Answer:
        asked.append((name, tensor.shape))
        scale = 4 if name == "span_x4" else 2
        height, width = tensor.shape[2:]
        level = CLEAN_LEVEL if name == CLEAN.networks[0].name else PHOTO_LEVEL
        doubt = None
        if name != CLEAN.networks[0].name:
            doubt = np.zeros((1, 1, height, width), np.uint8)
            if doubtful is not None:
                doubt[0, 0][doubtful] = 255
        return Answer(np.full((1, 3, height * scale, width * scale), level, np.uint8), doubt)

    return infer


def a_picture(channels: int = 3) -> Picture:
    return Picture(np.zeros((HEIGHT, WIDTH, channels), np.uint8), "PNG")


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("channels", [1, 3])
async def test_doubtful_places_are_the_clean_models_and_the_rest_is_not(scale: int, channels: int) -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []
    model = a_model((slice(100, 110), slice(140, 160)), asked)

    result = await upscaled(a_picture(channels), (WIDTH * scale, HEIGHT * scale), model)

    pixels = result.pixels[:, :, 0].astype(int)
    assert (pixels[100 * scale : 110 * scale, 140 * scale : 160 * scale] == CLEAN_LEVEL).all()
    assert (pixels[: 60 * scale] == PHOTO_LEVEL).all()
    assert (pixels[150 * scale :] == PHOTO_LEVEL).all()
    assert np.abs(np.diff(pixels, axis=0)).max() < 40
    assert np.abs(np.diff(pixels, axis=1)).max() < 40


async def test_without_a_doubt_the_clean_model_is_not_asked() -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []

    result = await upscaled(a_picture(), (WIDTH * 2, HEIGHT * 2), a_model(None, asked))

    assert {name for name, _ in asked} == {"span_x2"}
    assert (result.pixels == PHOTO_LEVEL).all()


async def test_only_tiles_with_a_doubt_are_done_again() -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []
    model = a_model((slice(0, 4), slice(0, 4)), asked)

    await upscaled(a_picture(), (WIDTH * 2, HEIGHT * 2), model)

    assert [name for name, _ in asked].count(CLEAN.networks[0].name) == 1


async def test_doubt_everywhere_leaves_nothing_of_the_photo_model() -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []
    model = a_model((slice(None), slice(None)), asked)

    result = await upscaled(a_picture(), (WIDTH * 4, HEIGHT * 4), model)

    assert (result.pixels == CLEAN_LEVEL).all()
