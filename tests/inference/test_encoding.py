"""Pillow reads back pictures that were written in every format."""

import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from inference.decoding.pool import Decoder
from inference.encoding import jpeg, png, tiff
from inference.encoding.options import Options
from inference.picture import Format, Picture
from tests.inference.pictures import decode_still, filled, samples, written

PHOTOS = sorted((Path(__file__).parents[2] / "docs" / "photos").glob("*.png"))
FULL_COLOUR = 0
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


@pytest.mark.parametrize("module", [png, tiff])
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (7, 5), (700, 1), (1024, 700)])
@pytest.mark.parametrize(
    ("grey", "alpha", "mode"), [(0, 0, "RGB"), (0, 1, "RGBA"), (1, 0, "L"), (1, 1, "LA")]
)
def test_our_png_and_tiff_writers_lose_nothing(
    module: ModuleType, size: tuple[int, int], grey: int, alpha: int, mode: str
) -> None:
    picture = a_picture(size, grey=bool(grey), alpha=bool(alpha))

    image = opened(filled(module.Writer(picture.header(picture.size), Options()), picture))

    assert image.mode == mode
    assert np.array_equal(np.asarray(image).reshape(samples(picture).shape), samples(picture))


@pytest.mark.parametrize("strip_bytes", [1, 1000, 1 << 30])
@pytest.mark.parametrize("module", [png, tiff])
def test_a_file_written_in_strips_has_the_same_pixels(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, strip_bytes: int
) -> None:
    monkeypatch.setattr(module, "STRIP_BYTES", strip_bytes)
    picture = a_picture(alpha=True)

    image = opened(filled(module.Writer(picture.header(picture.size), Options()), picture))

    assert np.array_equal(np.asarray(image).reshape(samples(picture).shape), samples(picture))


def test_an_array_that_is_a_view_is_written_in_its_logical_order() -> None:
    pixels = a_picture().pixels[::2, ::-1]

    image = opened(written(Picture(pixels, "PNG"), "PNG"))

    assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.stem)
def test_a_photo_as_png_is_at_most_a_fifth_larger_than_pillows(path: Path) -> None:
    photo = a_photo(path)
    theirs = io.BytesIO()
    Image.fromarray(photo.pixels).save(theirs, "PNG")

    ours = written(photo, "PNG")

    assert len(ours) < len(theirs.getvalue()) * 1.2


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_formats_come_back_exactly(file_format: Format, alpha: bool) -> None:
    picture = a_picture(alpha=alpha)

    image = opened(written(picture, file_format))

    assert image.format == file_format
    visible = picture.alpha if picture.alpha is not None else np.ones((30, 40))
    assert np.array_equal(np.asarray(image)[visible > 0], samples(picture)[visible > 0])


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
def test_grey_stays_grey(file_format: Format) -> None:
    picture = a_picture(grey=True, icc=None)

    image = opened(written(picture, file_format))

    assert image.mode == "L"


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_an_alpha_channel_that_hides_nothing_is_written_too(file_format: Format) -> None:
    opaque = Picture(a_picture().pixels, "PNG", alpha=None, has_alpha=True)

    image = opened(written(opaque, file_format))

    # libwebp drops a channel that hides nothing
    assert image.mode == ("RGB" if file_format == "WEBP" else "RGBA")
    assert np.array_equal(np.asarray(image.convert("RGBA")), samples(opaque))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_profile_is_passed_on_and_exif_is_not(file_format: Format) -> None:
    image = opened(written(a_picture(icc=SRGB), file_format))

    assert image.info["icc_profile"] == SRGB
    assert "exif" not in image.info


def test_a_jpeg_keeps_its_colour_at_full_resolution() -> None:
    photo = a_photo()

    image = opened(written(photo, "JPEG"))

    assert isinstance(image, JpegImageFile)
    assert get_sampling(image) == FULL_COLOUR
    assert np.abs(np.asarray(image).astype(int) - photo.pixels).mean() < 2


def test_transparency_in_a_jpeg_becomes_white() -> None:
    picture = Picture(np.zeros((8, 8, 3), np.uint8), "PNG", alpha=np.zeros((8, 8), np.uint8), has_alpha=True)

    image = opened(written(picture, "JPEG"))

    assert np.asarray(image).min() > 250


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_lower_quality_makes_smaller_files(file_format: Format) -> None:
    photo = a_photo(lossless=False)

    assert len(written(photo, file_format, quality=60)) < len(written(photo, file_format)) / 2


def test_webp_is_lossless_only_if_the_original_was_and_no_quality_is_chosen() -> None:
    assert b"VP8L" in written(a_photo(), "WEBP")[:64]
    assert b"VP8 " in written(a_photo(), "WEBP", quality=90)[:64]
    assert b"VP8 " in written(a_photo(lossless=False), "WEBP")[:64]


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 8), (900, 3), (64, 1000), (2100, 900)])
@pytest.mark.parametrize("grey", [False, True])
def test_a_jpeg_written_in_strips_equals_one_of_the_whole_picture(size: tuple[int, int], grey: bool) -> None:
    photo = Image.open(PHOTOS[0]).convert("L" if grey else "RGB").resize(size)
    whole = io.BytesIO()
    photo.save(whole, "JPEG", quality=95, subsampling="4:4:4")

    image = opened(written(Picture(np.array(photo).reshape(size[1], size[0], -1), "JPEG"), "JPEG"))

    assert image.size == size
    assert np.array_equal(np.asarray(image), np.asarray(Image.open(whole)))


@pytest.mark.parametrize("strip_bytes", [1, 40_000])
def test_a_jpeg_of_many_strips_numbers_its_restart_markers(
    monkeypatch: pytest.MonkeyPatch, strip_bytes: int
) -> None:
    monkeypatch.setattr(jpeg, "STRIP_BYTES", strip_bytes)
    photo = a_photo()

    image = opened(written(photo, "JPEG"))

    assert np.abs(np.asarray(image).astype(int) - photo.pixels).mean() < 2


def test_a_profile_of_several_segments_is_passed_on() -> None:
    profile = SRGB + bytes(100_000)

    image = opened(written(a_picture(icc=profile), "JPEG"))

    assert image.info["icc_profile"] == profile


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
async def test_16_bits_come_back_exactly(file_format: Format, grey: bool, alpha: bool) -> None:
    random = np.random.default_rng(1)
    picture = Picture(
        random.integers(0, 65536, (61, 47, 1 if grey else 3), np.uint16),
        "PNG",
        alpha=random.integers(0, 65536, (61, 47), np.uint16) if alpha else None,
        has_alpha=alpha,
    )
    decoder = Decoder()

    again = await decode_still(decoder, written(picture, file_format))

    await decoder.aclose()
    assert again.depth == 16
    assert np.array_equal(samples(again), samples(picture))


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_formats_of_8_bits_round_16_bit_samples(file_format: Format) -> None:
    eight = a_photo()
    samples = np.minimum(eight.pixels.astype(np.uint32) * 257 + 100, 65535)
    picture = Picture(samples.astype(np.uint16), "PNG")

    image = opened(written(picture, file_format, quality=95))

    assert np.array_equal(np.asarray(image), np.asarray(opened(written(eight, file_format, quality=95))))
