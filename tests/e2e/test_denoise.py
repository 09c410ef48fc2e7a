"""Drawings go through the whole system with each level of denoising, and the answer names the level."""

import httpx2
import pytest

from tests.client import upload_image, wait_for_status
from tests.inference.pictures import a_drawing
from tests.pixels import encoded


@pytest.mark.parametrize(
    ("options", "used", "level"),
    [
        ({"model": "art", "denoise": 3}, "art", 3),
        ({"model": "clean", "denoise": 0}, "clean", 0),
        ({}, "art", 1),
        ({"model": "faithful"}, "faithful", None),
    ],
)
async def test_the_image_names_the_level_of_denoising_that_was_used(
    jane: httpx2.AsyncClient, options: dict[str, str | int], used: str, level: int | None
) -> None:
    drawing = encoded(a_drawing(), quality=90)

    image_id = await upload_image(jane, drawing, "drawing.jpg", **options)
    found = await wait_for_status(jane, image_id, "completed")

    assert (found["model"]["used"], found["model"]["denoise"]) == (used, level)
    assert found["upscaled_dimensions"] == "800x600"
