"""`auto` tells drawings, and the level of denoising follows from the picture unless a client chooses it."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inference.networks.auto import choose_model
from inference.picture import Picture
from tests.bench.quality_sets import CUTS, photo
from tests.inference.built_models import MODELS
from tests.inference.pictures import a_drawing
from tests.pixels import encoded


def a_picture(image: Image.Image) -> Picture:
    return Picture(np.asarray(image), "PNG")


def a_photo() -> Image.Image:
    return photo(*CUTS[0])


@pytest.mark.parametrize(
    ("quality", "level"), [(96, 1), (90, 1), (85, 1), (84, 2), (75, 2), (60, 2), (59, 3), (30, 3), (1, 3)]
)
def test_the_level_of_denoising_follows_the_quality_of_a_jpeg(quality: int, level: int) -> None:
    picture = replace(a_picture(a_photo()), source_format="JPEG", jpeg_quality=quality)

    choices = [choose_model(name, picture, MODELS) for name in ("clean", "art", "faithful")]

    assert [choice.denoise for choice in choices] == [level, level, None]


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_requested_level_of_denoising_is_used(level: int) -> None:
    worn = replace(a_picture(a_photo()), source_format="JPEG", jpeg_quality=50)

    choices = [choose_model(name, worn, MODELS, level) for name in ("auto", "clean", "art")]

    assert [choice.denoise for choice in choices] == [level] * 3
    assert [choice.model.networks for choice in choices] == [
        MODELS[choice.model.name].levels[level] for choice in choices
    ]


@pytest.mark.parametrize("quality", [None, 90, 60])
def test_a_drawing_is_enlarged_by_art_where_it_is_served(quality: int | None) -> None:
    picture = a_picture(a_drawing())
    if quality:
        picture = Picture(np.asarray(jpeg_of(a_drawing(), quality)), "JPEG", jpeg_quality=quality)

    with_art = choose_model("auto", picture, MODELS)
    without = choose_model("auto", picture, {name: MODELS[name] for name in ("faithful", "clean")})

    assert (with_art.model.name, with_art.reason) == ("art", "drawing")
    assert (without.model.name, without.reason) == ("clean", "drawing")


def jpeg_of(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(encoded(image, quality=quality)))
