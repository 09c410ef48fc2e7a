"""Output checks accept every enlarged picture and refuse the answers of a broken device."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from inference.networks.network import Answer, Tensor
from inference.networks.output_checks import find_problem

PHOTOS = sorted((Path(__file__).parents[2] / "docs" / "photos").glob("*.png"))
NAMES = [path.stem for path in PHOTOS]
SIZE = 128
RANDOM = np.random.default_rng(11)


def tensor_of(image: Image.Image) -> Tensor:
    pixels = np.asarray(image.convert("RGB").resize((SIZE, SIZE)))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis])


def drawn(background: str, ink: str, width: int) -> Image.Image:
    image = Image.new("RGB", (SIZE, SIZE), background)
    ImageDraw.Draw(image).line((10, 20, 110, 25), fill=ink, width=width)
    return image


def grid(pitch: int) -> Image.Image:
    """Return a grid of white pixels on black."""
    pixels = np.zeros((SIZE, SIZE), np.uint8)
    pixels[1::pitch, 1::pitch] = 255
    return Image.fromarray(pixels)


PICTURES = {
    "black": Image.new("RGB", (SIZE, SIZE)),
    "white": Image.new("RGB", (SIZE, SIZE), "white"),
    "nearly black": Image.fromarray(RANDOM.integers(0, 4, (SIZE, SIZE, 3), np.uint8)),
    "blue": Image.new("RGB", (SIZE, SIZE), (0, 0, 255)),
    "half black": Image.fromarray(np.repeat([[0] * 64 + [255] * 64], SIZE, 0).astype(np.uint8)),
    "a thin line": drawn("white", "black", 1),
    "a thin light": drawn("black", "white", 1),
    "a box": drawn("black", "white", 40),
    "stars": grid(16),
    "a grid": grid(4),
    "checks": Image.fromarray((np.indices((SIZE, SIZE)).sum(axis=0) % 2 * 255).astype(np.uint8)),
    "noise": Image.fromarray(RANDOM.integers(0, 256, (SIZE, SIZE, 3), np.uint8)),
    **{path.stem: Image.open(path) for path in PHOTOS},
}


def enlarged(tensor: Tensor, step: int, kind: Image.Resampling) -> Tensor:
    image = Image.fromarray(np.ascontiguousarray(tensor[0].transpose(1, 2, 0)))
    return tensor_at(image.resize((SIZE * step, SIZE * step), kind))


def tensor_at(image: Image.Image) -> Tensor:
    return np.asarray(image).transpose(2, 0, 1)[np.newaxis]


def as_float(tensor: Tensor) -> Tensor:
    return tensor.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("step", [1, 2, 4])
@pytest.mark.parametrize("kind", [Image.Resampling.NEAREST, Image.Resampling.BICUBIC, Image.Resampling.BOX])
def test_no_enlarged_picture_is_refused(name: str, step: int, kind: Image.Resampling) -> None:
    tensor = tensor_of(PICTURES[name])
    answer = enlarged(tensor, step, kind)

    assert find_problem(tensor, Answer(answer), step) is None
    assert find_problem(as_float(tensor), Answer(as_float(answer)), step) is None


@pytest.mark.parametrize(
    "name", ["white", "blue", "half black", "a thin line", *(path.stem for path in PHOTOS)]
)
@pytest.mark.parametrize("to", [np.float32, np.uint8])
def test_a_black_answer_to_a_lit_tile_is_refused(name: str, to: type) -> None:
    tensor = tensor_of(PICTURES[name])
    given = tensor if to is np.uint8 else as_float(tensor)

    assert find_problem(given, Answer(np.zeros((1, 3, 2 * SIZE, 2 * SIZE), to)), 2) == "black"


@pytest.mark.parametrize("name", ["a thin line", "noise", "half black", *NAMES])
@pytest.mark.parametrize("level", [1, 128, 255])
def test_one_colour_for_a_varied_tile_is_refused(name: str, level: int) -> None:
    answer = np.full((1, 3, 4 * SIZE, 4 * SIZE), level, np.uint8)

    assert find_problem(tensor_of(PICTURES[name]), Answer(answer), 4) == "one colour"


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_an_answer_with_an_unwritten_part_is_refused(photo: Path) -> None:
    tensor = np.maximum(tensor_of(Image.open(photo)), 60)
    answer = tensor.repeat(2, 2).repeat(2, 3)
    answer[:, :, 128:] = 0

    assert find_problem(tensor, Answer(answer), 2) == "a black hole"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_not_a_number_is_refused(value: float) -> None:
    tensor = as_float(tensor_of(PICTURES["noise"]))
    answer = tensor.repeat(2, 2).repeat(2, 3)
    answer[0, 1, 7, 9] = value

    assert find_problem(tensor, Answer(answer), 2) == "values that are not numbers"


def test_an_uncertainty_map_of_another_size_is_refused() -> None:
    tensor = tensor_of(PICTURES["noise"])
    uncertainty = np.zeros((1, 1, SIZE, SIZE - 1), np.uint8)

    assert "uncertainty" in (
        find_problem(tensor, Answer(tensor.repeat(2, 2).repeat(2, 3), uncertainty), 2) or ""
    )


def uncertain_rows(height: int) -> Tensor:
    """Return an uncertainty map whose first rows are uncertain."""
    uncertainty = np.zeros((1, 1, SIZE, SIZE), np.uint8)
    uncertainty[:, :, :height] = 255
    return uncertainty


@pytest.mark.parametrize("name", ["checks", "noise", "white", *NAMES])
@pytest.mark.parametrize("level", [0, 255])
def test_uncertain_places_may_have_any_value(name: str, level: int) -> None:
    """The values of uncertain places are arbitrary, for instance if half precision overflows."""
    tensor = tensor_of(PICTURES[name])
    answer = tensor.repeat(2, 2).repeat(2, 3)
    answer[:, :, :128] = level

    assert find_problem(tensor, Answer(np.full_like(answer, level), uncertain_rows(SIZE)), 2) is None
    assert find_problem(tensor, Answer(answer, uncertain_rows(64)), 2) is None


def test_an_uncertain_spot_does_not_make_a_plain_tile_varied() -> None:
    tensor = np.full((1, 3, SIZE, SIZE), 128, np.uint8)
    tensor[:, :, 3, 3] = 255

    assert (
        find_problem(tensor, Answer(np.full((1, 3, 2 * SIZE, 2 * SIZE), 128, np.uint8), uncertain_rows(6)), 2)
        is None
    )


def test_certain_places_are_checked_beside_uncertain_ones() -> None:
    tensor = np.maximum(tensor_of(PICTURES["noise"]), 60)
    black = np.zeros((1, 3, 2 * SIZE, 2 * SIZE), np.uint8)
    with_hole = tensor.repeat(2, 2).repeat(2, 3)
    with_hole[:, :, 128:] = 0

    assert find_problem(tensor, Answer(black, uncertain_rows(16)), 2) == "black"
    assert find_problem(tensor, Answer(with_hole, uncertain_rows(16)), 2) == "a black hole"
