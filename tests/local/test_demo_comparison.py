"""The comparison shows the same detail twice, in the colours that a viewer shows."""

import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from loupe_local.demo.comparison import LABEL_HEIGHT, detail_box, draw
from tests.pixels import encoded

SCALE = 4
GRADIENT = Image.linear_gradient("L").resize((200, 180))
PHOTO = Image.merge("RGB", (GRADIENT, GRADIENT.transpose(Image.Transpose.FLIP_TOP_BOTTOM), GRADIENT))


def sixteen_bit(picture: Image.Image, file_format: str) -> bytes:
    samples = np.asarray(picture).astype(np.uint16) * 257
    kind = "rgb16" if picture.mode == "RGB" else "grey16"
    image = pyvips.Image.new_from_array(samples).copy(interpretation=kind)
    return image.pngsave_buffer() if file_format == "PNG" else image.tiffsave_buffer()


def drawn(tmp_path: Path, data: bytes, size: tuple[int, int], scale: int = SCALE) -> Image.Image:
    """Return the comparison of a file with itself, enlarged by repeating each pixel."""
    with Image.open(io.BytesIO(data)) as opened:
        large = opened.convert("RGBA").resize((size[0] * scale, size[1] * scale), Image.Resampling.NEAREST)
    draw(data, encoded(large, "PNG"), size, scale, tmp_path / "it.png")
    return Image.open(tmp_path / "it.png")


def halves(sheet: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of both sides, without the labels."""
    pixels = np.asarray(sheet).astype(int)[:-LABEL_HEIGHT]
    width = (pixels.shape[1] - 8) // 2
    return pixels[:, :width], pixels[:, width + 8 :]


@pytest.mark.parametrize(
    "data",
    [
        encoded(PHOTO, "PNG"),
        encoded(PHOTO, "JPEG"),
        encoded(GRADIENT, "TIFF"),
        encoded(PHOTO, "BMP"),
        encoded(PHOTO.convert("RGBA"), "WEBP", lossless=True),
        sixteen_bit(PHOTO, "PNG"),
        encoded(PHOTO.quantize(256), "PNG"),
    ],
    ids=["png", "jpeg", "grey tiff", "bmp", "webp", "16-bit png", "palette"],
)
def test_both_sides_show_the_same_detail_in_the_same_colours(tmp_path: Path, data: bytes) -> None:
    before, after = halves(drawn(tmp_path, data, PHOTO.size))

    assert before.shape == after.shape == (640, 640, 3)
    assert np.abs(before - after).max() <= 12


@pytest.mark.parametrize("picture", [PHOTO, GRADIENT], ids=["colour", "grey"])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bits_are_neither_clipped_nor_shifted(
    tmp_path: Path, picture: Image.Image, file_format: str
) -> None:
    data = sixteen_bit(picture, file_format)

    draw(data, data, (100, 90), 2, tmp_path / "it.png")  # a result of twice the size it is not, but as bright

    _, after = halves(Image.open(tmp_path / "it.png"))
    left, top, right, bottom = (2 * side for side in detail_box((100, 90), 2))
    expected = np.asarray(picture.convert("RGB").crop((left, top, right, bottom)))
    assert np.array_equal(after[: bottom - top, : right - left], expected)


def test_transparent_pixels_show_squares_and_no_hidden_colours(tmp_path: Path) -> None:
    hidden = Image.new("RGBA", (200, 180), (255, 0, 0, 0))

    before, after = halves(drawn(tmp_path, encoded(hidden, "PNG"), hidden.size))

    assert np.array_equal(before, after)
    assert set(np.unique(after)) == {204, 255}


def test_a_photo_on_its_side_is_compared_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = PHOTO.transpose(Image.Transpose.ROTATE_270)
    large = upright.resize((upright.width * 2, upright.height * 2), Image.Resampling.NEAREST)

    draw(encoded(PHOTO, "JPEG", exif=exif), encoded(large, "PNG"), upright.size, 2, tmp_path / "it.png")

    before, after = halves(Image.open(tmp_path / "it.png"))
    assert np.abs(before - after).max() <= 12


def test_a_tiny_picture_is_magnified_and_not_covered_by_its_label(tmp_path: Path) -> None:
    dots = Image.new("RGB", (3, 2), "black")
    dots.putpixel((0, 0), (255, 0, 0))

    _, after = halves(drawn(tmp_path, encoded(dots, "PNG"), dots.size))

    assert after.shape[0] > 200
    assert tuple(after[0, 0]) == (255, 0, 0)
    assert tuple(after[-1, 0]) == (0, 0, 0)
