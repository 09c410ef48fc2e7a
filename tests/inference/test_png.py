"""Pictures written in every format and read back by Pillow."""

import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from inference import png, tiff
from inference.codec import encode
from inference.picture import Format, Picture, Pixels

PHOTOS = sorted((Path(__file__).parents[2] / "docs" / "photos").glob("*.png"))
FULL = 0
"""Pillow's number for 4:4:4."""
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def a_picture(
    size: tuple[int, int] = (40, 30),
    *,
    grey: bool = False,
    alpha: bool = False,
    lossless: bool = True,
    icc: bytes | None = None,
) -> Picture:
    width, height = size
    random = np.random.default_rng(width * height)
    return Picture(
        pixels=random.integers(0, 256, (height, width, 1 if grey else 3), np.uint8),
        alpha=random.integers(0, 256, (height, width), np.uint8) if alpha else None,
        has_alpha=alpha,
        source_format="PNG",
        is_lossless=lossless,
        icc=icc,
    )


def a_photo(path: Path = PHOTOS[0], *, lossless: bool = True) -> Picture:
    return Picture(np.asarray(Image.open(path).convert("RGB")), "PNG", is_lossless=lossless)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def samples(picture: Picture) -> Pixels:
    """All channels of a picture as Pillow gives them."""
    channels = [picture.pixels]
    if picture.has_alpha:
        opaque = np.full(picture.pixels.shape[:2], 255, np.uint8)
        channels.append((opaque if picture.alpha is None else picture.alpha)[:, :, np.newaxis])
    together = np.concatenate(channels, axis=2)
    return together[:, :, 0] if together.shape[2] == 1 else together


@pytest.mark.parametrize("module", [png, tiff])
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (7, 5), (700, 1), (1024, 700)])
@pytest.mark.parametrize(
    ("grey", "alpha", "mode"), [(0, 0, "RGB"), (0, 1, "RGBA"), (1, 0, "L"), (1, 1, "LA")]
)
def test_our_own_writers_lose_nothing(
    module: ModuleType, size: tuple[int, int], grey: int, alpha: int, mode: str
) -> None:
    picture = a_picture(size, grey=bool(grey), alpha=bool(alpha))

    image = opened(module.encode(picture))

    assert image.mode == mode
    assert np.array_equal(np.asarray(image), samples(picture))


@pytest.mark.parametrize("strip_bytes", [1, 1000, 1 << 30])
@pytest.mark.parametrize("module", [png, tiff])
def test_strips_leave_no_trace(monkeypatch: pytest.MonkeyPatch, module: ModuleType, strip_bytes: int) -> None:
    monkeypatch.setattr(module, "STRIP_BYTES", strip_bytes)
    picture = a_picture(alpha=True)

    image = opened(module.encode(picture))

    assert np.array_equal(np.asarray(image), samples(picture))


def test_an_array_that_is_a_view_is_written_in_its_own_order() -> None:
    pixels = a_picture().pixels[::2, ::-1]

    image = opened(png.encode(Picture(pixels, "PNG")))

    assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.stem)
def test_a_photo_as_png_is_at_most_a_fifth_larger_than_pillows(path: Path) -> None:
    photo = a_photo(path)
    theirs = io.BytesIO()
    Image.fromarray(photo.pixels).save(theirs, "PNG")

    ours = png.encode(photo)

    assert len(ours) < len(theirs.getvalue()) * 1.2


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "GIF", "BMP"])
@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_formats_come_back_exactly(file_format: Format, alpha: bool) -> None:
    picture = a_picture(alpha=alpha)

    image = opened(encode(picture, file_format))

    assert image.format == {"GIF": "PNG", "BMP": "PNG"}.get(file_format, file_format)
    visible = picture.alpha if picture.alpha is not None else np.ones((30, 40))
    assert np.array_equal(np.asarray(image)[visible > 0], samples(picture)[visible > 0])


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
def test_grey_stays_grey(file_format: Format) -> None:
    picture = a_picture(grey=True, icc=None)

    image = opened(encode(picture, file_format))

    assert image.mode == "L"


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_an_alpha_channel_that_hides_nothing_is_written_all_the_same(file_format: Format) -> None:
    opaque = Picture(a_picture().pixels, "PNG", alpha=None, has_alpha=True)

    image = opened(encode(opaque, file_format))

    # WebP has no channel that hides nothing
    assert image.mode == ("RGB" if file_format == "WEBP" else "RGBA")
    assert np.array_equal(np.asarray(image.convert("RGBA")), samples(opaque))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_profile_is_passed_on_and_nothing_else(file_format: Format) -> None:
    image = opened(encode(a_picture(icc=SRGB), file_format))

    assert image.info["icc_profile"] == SRGB
    assert "exif" not in image.info


def test_a_jpeg_keeps_its_colour_at_full_resolution() -> None:
    photo = a_photo()

    image = opened(encode(photo, "JPEG"))

    assert isinstance(image, JpegImageFile)
    assert get_sampling(image) == FULL
    assert np.abs(np.asarray(image).astype(int) - photo.pixels).mean() < 2


def test_transparency_in_a_jpeg_becomes_white() -> None:
    picture = Picture(np.zeros((8, 8, 3), np.uint8), "PNG", alpha=np.zeros((8, 8), np.uint8), has_alpha=True)

    image = opened(encode(picture, "JPEG"))

    assert np.asarray(image).min() > 250


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_lower_quality_makes_smaller_files(file_format: Format) -> None:
    photo = a_photo(lossless=False)

    assert len(encode(photo, file_format, quality=60)) < len(encode(photo, file_format)) / 2


def test_webp_is_lossless_only_where_the_source_was_and_no_quality_is_asked() -> None:
    assert b"VP8L" in encode(a_photo(), "WEBP")[:64]
    assert b"VP8 " in encode(a_photo(), "WEBP", quality=90)[:64]
    assert b"VP8 " in encode(a_photo(lossless=False), "WEBP")[:64]
