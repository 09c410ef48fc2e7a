"""Resampling in strips agrees with Pillow's for the whole picture, and hidden colours do not show."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference import resampling as module
from inference.picture import Picture, Pixels
from inference.resampling import fill_hidden_colours, resample_part
from tests.inference.pictures import resampled

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "coffee.png"
RED, GREEN = (255, 0, 0), (0, 255, 0)


def photo(mode: str = "RGB") -> Pixels:
    pixels = np.asarray(Image.open(PHOTO).convert(mode))
    return pixels if mode == "RGB" else pixels[:, :, np.newaxis]


def half_hidden(hidden: tuple[int, int, int] = GREEN, size: tuple[int, int] = (64, 48)) -> Picture:
    """Return a picture that is red on the left, and transparent with another colour on the right."""
    pixels = np.full((size[1], size[0], 3), RED, np.uint8)
    alpha = np.full((size[1], size[0]), 255, np.uint8)
    pixels[:, size[0] // 2 :] = hidden
    alpha[:, size[0] // 2 :] = 0
    return Picture(pixels, "PNG", alpha=alpha, has_alpha=True)


def test_a_picture_that_has_the_size_already_is_unchanged() -> None:
    pixels = photo()

    assert np.array_equal(resampled(pixels, (600, 400)), pixels)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(1200, 800), (450, 300), (599, 401), (601, 7), (1, 1), (3000, 10)])
def test_a_result_has_the_exact_size_and_equals_pillows_lanczos(mode: str, size: tuple[int, int]) -> None:
    pixels = photo(mode)

    result = resampled(pixels, size)

    resampled_across = Image.open(PHOTO).convert(mode).resize((size[0], 400), Image.Resampling.LANCZOS)
    expected = resampled_across.resize(size, Image.Resampling.LANCZOS)
    assert result.shape == (size[1], size[0], pixels.shape[2])
    assert np.array_equal(result.squeeze(), np.asarray(expected).squeeze())


@pytest.mark.parametrize("strip_pixels", [1, 10_000, 100_000])
@pytest.mark.parametrize("size", [(1200, 800), (450, 300), (150, 100), (599, 401), (601, 77)])
def test_resampling_in_strips_equals_resampling_the_whole(
    monkeypatch: pytest.MonkeyPatch, strip_pixels: int, size: tuple[int, int]
) -> None:
    whole = resampled(photo(), size, piece=10_000).astype(int)
    monkeypatch.setattr(module, "STRIP_PIXELS", strip_pixels)

    in_strips = resampled(photo(), size, piece=7)

    # Pillow computes positions in a strip in single precision, which sometimes changes a rounding
    difference = np.abs(in_strips - whole)
    assert difference.max() <= 1
    assert difference.mean() < 0.002


@pytest.mark.parametrize("size", [(1200, 800), (450, 300), (599, 401)])
def test_16_bits_are_resampled_like_8_bits_with_more_levels(size: tuple[int, int]) -> None:
    sixteen_bit = photo().astype(np.uint16) * np.uint16(257)

    result = resampled(sixteen_bit, size)

    planes = [Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(sixteen_bit, 2, 0)]
    resampled_across = [plane.resize((size[0], 400), Image.Resampling.LANCZOS) for plane in planes]
    whole = [np.asarray(plane.resize(size, Image.Resampling.LANCZOS)) for plane in resampled_across]
    coarse = resampled(photo(), size).astype(np.float64)
    assert result.dtype == np.uint16
    assert np.abs(result - np.stack(whole, axis=2).clip(0, 65535)).max() <= 8
    assert np.abs(result / 257 - coarse).mean() < 0.5
    assert len(np.unique(result)) > 1000


def test_resampled_rows_equal_those_of_the_whole_result() -> None:
    alpha = np.asarray(Image.linear_gradient("L"))[:, :, np.newaxis]

    middle = resample_part(alpha, (512, 600), 200, 300)

    expected = Image.linear_gradient("L").resize((512, 600), Image.Resampling.LANCZOS)
    assert np.array_equal(middle[:, :, 0], np.asarray(expected)[200:300])


def test_hidden_colours_are_replaced_by_visible_neighbours() -> None:
    picture = half_hidden()

    filled = fill_hidden_colours(picture)

    assert np.abs(filled - np.array(RED)).max() <= 2


@pytest.mark.parametrize("size", [(1, 7), (7, 1), (33, 5), (61, 47), (2, 2)])
def test_visible_colours_spread_in_pictures_of_any_size(size: tuple[int, int]) -> None:
    width, height = size
    picture = Picture(
        np.full((height, width, 3), GREEN, np.uint8), "PNG", alpha=np.zeros((height, width), np.uint8)
    )
    assert picture.alpha is not None
    picture.pixels[-1, -1] = RED
    picture.alpha[-1, -1] = 1

    filled = fill_hidden_colours(picture)

    assert np.abs(filled - np.array(RED)).max() <= 8


def test_visible_colours_stay_even_if_they_are_nearly_transparent() -> None:
    pixels = photo()
    alpha = np.random.default_rng(1).integers(0, 3, pixels.shape[:2], np.uint8)

    filled = fill_hidden_colours(Picture(pixels, "PNG", alpha=alpha))

    assert np.array_equal(filled[alpha > 0], pixels[alpha > 0])
    assert not np.array_equal(filled, pixels)


def test_visible_grey_spreads_too() -> None:
    colour = half_hidden()
    grey = Picture(colour.pixels[:, :, :1], "PNG", alpha=colour.alpha)

    filled = fill_hidden_colours(grey)

    assert filled.shape == grey.pixels.shape
    assert (filled >= 253).all()


@pytest.mark.parametrize("alpha", [None, 0, 255])
def test_no_colour_spreads_if_every_pixel_or_none_is_hidden(alpha: int | None) -> None:
    pixels = photo()
    channel = None if alpha is None else np.full(pixels.shape[:2], alpha, np.uint8)

    assert fill_hidden_colours(Picture(pixels, "PNG", alpha=channel)) is pixels
