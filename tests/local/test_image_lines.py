"""An image that has ended is one line."""

from typing import Any

import pytest

from loupe_local.image_lines import line_of

ROW: dict[str, Any] = {
    "id": 7, "name": "photo.jpg", "original_width": 451, "original_height": 300, "upscaled_width": 1804,
    "upscaled_height": 1200, "status": "completed", "seconds": 1.13,
    "failure_code": None, "failure_message": None,
}  # fmt: skip
CANCELLED = {"status": "failed", "failure_code": "cancelled", "failure_message": "The image was cancelled."}
FAILED = {"status": "failed", "failure_code": "undecodable", "failure_message": "The image is corrupt."}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "image 7  photo.jpg  451x300 -> 1804x1200  1.1 s"),
        ({"seconds": None}, "image 7  photo.jpg  451x300 -> 1804x1200"),
        (CANCELLED, "image 7  photo.jpg  451x300  cancelled"),
        (FAILED, "image 7  photo.jpg  451x300  failed: The image is corrupt."),
    ],
)
def test_a_line_says_how_an_image_has_ended(changes: dict[str, Any], line: str) -> None:
    assert line_of(ROW | changes) == line
