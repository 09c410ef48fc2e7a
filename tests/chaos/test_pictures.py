"""The number of a picture can be read from any result of it, and never from that of another one."""

import numpy as np
import pytest
from PIL import Image

from tests.chaos import pictures
from tests.pixels import encoded, opened


@pytest.mark.parametrize("number", [0, 1, 77, 4095, 4096, 1_000_000, (1 << 24) - 1])
@pytest.mark.parametrize("size", [(24, 24), (48, 48), (96, 96), (61, 37)])
def test_the_number_survives_a_change_of_size(number: int, size: tuple[int, int]) -> None:
    enlarged = opened(pictures.draw(number)).resize(size, Image.Resampling.BICUBIC)

    reading = pictures.read(encoded(enlarged, "PNG"))

    assert reading == pictures.Reading(number, *size)


@pytest.mark.parametrize("colour", ["black", "white", "gray"])
def test_a_picture_without_a_pattern_has_no_number(colour: str) -> None:
    assert pictures.read(encoded(Image.new("RGB", (48, 48), colour), "PNG")).number is None


def test_a_result_that_is_half_of_one_picture_and_half_of_another_has_no_number() -> None:
    mixed = np.asarray(opened(pictures.draw(5))).copy()
    mixed[12:] = np.asarray(opened(pictures.draw(900_000)))[12:]

    assert pictures.read(encoded(Image.fromarray(mixed), "PNG")).number is None
