"""Pixels of results, line by line. tests/inference has the details."""

from pathlib import Path

import httpx2
import imagecodecs
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from tests.client import download_result, upload_image, wait_for_status
from tests.contract.api_client import SMALL
from tests.heif_files import heic
from tests.jxl_files import jxl
from tests.pixels import encoded, opened

PHOTO = opened(SMALL)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


async def upscaled(client: httpx2.AsyncClient, data: bytes, **fields: object) -> Image.Image:
    form = {name: str(value) for name, value in fields.items()}
    return opened(await download_result(client, await upload_image(client, data, "photo", **form)))


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("JPEG", "JPEG"),
        ("PNG", "PNG"),
        ("WEBP", "WEBP"),
        ("TIFF", "TIFF"),
        ("AVIF", "AVIF"),
        ("BMP", "PNG"),
        ("GIF", "PNG"),
    ],
)
async def test_the_format_stays_except_that_bmp_and_still_gif_become_png(
    jane: httpx2.AsyncClient, given: str, becomes: str
) -> None:
    picture = PHOTO.convert("P") if given == "GIF" else PHOTO

    result = await upscaled(jane, encoded(picture, given))

    assert (result.format, result.size) == (becomes, (48, 32))


@pytest.mark.parametrize(("name", "becomes"), [("rgb", "JPEG"), ("rgba", "PNG"), ("rgb10", "PNG")])
async def test_a_heic_becomes_a_jpeg_or_a_png_if_a_jpeg_would_lose_something(
    jane: httpx2.AsyncClient, name: str, becomes: str
) -> None:
    result = await upscaled(jane, heic(name))

    assert (result.format, result.size) == (becomes, (122, 86))


@pytest.mark.parametrize("fields", [{}, {"output_format": "jxl"}])
async def test_a_jpeg_xl_stays_one_and_others_become_one(
    jane: httpx2.AsyncClient, fields: dict[str, str]
) -> None:
    data = encoded(PHOTO, "PNG") if fields else jxl(np.asarray(PHOTO))

    result = await download_result(jane, await upload_image(jane, data, "photo", **fields))

    assert imagecodecs.jpegxl_decode(result).shape == (32, 48, 3)


async def test_hdr_is_refused_with_its_name(jane: httpx2.AsyncClient) -> None:
    answer = await jane.post("/api/images/upscale", files={"image": ("photo.heic", heic("pq"))})

    assert answer.status_code == 422
    assert answer.json()["errors"] == {"image": ["HDR pictures (PQ and HLG) cannot be upscaled yet."]}


@pytest.mark.parametrize(
    ("mode", "file_format"), [("L", "PNG"), ("L", "JPEG"), ("RGBA", "PNG"), ("LA", "PNG")]
)
async def test_greyscale_stays_greyscale_and_alpha_is_kept(
    jane: httpx2.AsyncClient, mode: str, file_format: str
) -> None:
    result = await upscaled(jane, encoded(PHOTO.convert(mode), file_format))

    assert result.mode == mode


async def test_cmyk_is_upscaled(jane: httpx2.AsyncClient) -> None:
    result = await upscaled(jane, encoded(PHOTO.convert("CMYK")))

    before, after = (picture.convert("RGB").resize((1, 1)).getpixel((0, 0)) for picture in (PHOTO, result))
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    assert max(abs(one - other) for one, other in zip(before, after, strict=True)) < 12


async def test_orientation_is_applied_the_profile_kept_and_the_location_removed(
    jane: httpx2.AsyncClient,
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "Jane"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"

    result = await upscaled(jane, encoded(PHOTO, exif=exif, icc_profile=PROFILE))

    assert result.size == (32, 48)
    assert result.info["icc_profile"] == PROFILE
    assert not result.getexif()
    assert not result.getexif().get_ifd(ExifTags.IFD.GPSInfo)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
async def test_sixteen_bits_are_kept(jane: httpx2.AsyncClient, file_format: str) -> None:
    result = await upscaled(jane, encoded(PHOTO.convert("L").convert("I;16"), file_format))

    assert result.mode == "I;16"


@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
async def test_an_animation_comes_back_with_every_frame(jane: httpx2.AsyncClient, file_format: str) -> None:
    frames = [PHOTO, PHOTO.transpose(Image.Transpose.FLIP_LEFT_RIGHT), PHOTO.rotate(180)]

    result = await upscaled(jane, encoded(frames[0], file_format, save_all=True, append_images=frames[1:]))

    assert getattr(result, "n_frames", 1) == 3


@pytest.mark.parametrize("fit", ["cover", "contain"])
async def test_fit_keeps_the_aspect_ratio_of_two_targets(jane: httpx2.AsyncClient, fit: str) -> None:
    picture = Image.new("RGB", (24, 16), "white")
    picture.paste((0, 0, 0), (0, 0, 24, 4))
    picture.paste((0, 0, 255), (0, 0, 8, 16))

    stretched = await upscaled(jane, encoded(picture, "PNG"), target_width=48, target_height=64)
    fitted = await upscaled(jane, encoded(picture, "PNG"), target_width=48, target_height=64, fit=fit)

    assert fitted.size == stretched.size == (48, 64)
    assert fitted.tobytes() != stretched.tobytes()


async def test_format_and_quality_can_be_requested(jane: httpx2.AsyncClient) -> None:
    data = encoded(PHOTO, "PNG")

    fine = await upload_image(jane, data, output_format="jpeg", quality="95")
    coarse = await upload_image(jane, data, output_format="jpeg", quality="30")
    results = [await download_result(jane, image_id) for image_id in (fine, coarse)]

    assert [opened(result).format for result in results] == ["JPEG", "JPEG"]
    assert len(results[1]) < len(results[0])


@pytest.mark.parametrize(("fields", "dpi"), [({}, 150), ({"dpi": 300}, 300)])
async def test_the_resolution_is_that_of_the_original_or_the_requested_one(
    jane: httpx2.AsyncClient, fields: dict[str, int], dpi: int
) -> None:
    result = await upscaled(jane, encoded(PHOTO, dpi=(150, 150)), **fields)

    assert result.info["dpi"] == (dpi, dpi)


async def test_half_of_a_photo_with_an_end_marker_is_refused(jane: httpx2.AsyncClient) -> None:
    data = encoded(PHOTO)

    answer = await jane.post(
        "/api/images/upscale", files={"image": data[: len(data) * 9 // 10] + b"\xff\xd9"}
    )

    assert answer.status_code == 422
    assert answer.json()["errors"] == {"image": ["The image is corrupt or incomplete."]}


@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_a_compressed_body_is_refused(jane: httpx2.AsyncClient, encoding: str) -> None:
    answer = await jane.post(
        "/api/images/upscale", files={"image": encoded(PHOTO)}, headers={"Content-Encoding": encoding}
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


async def test_metadata_is_kept_on_request(jane: httpx2.AsyncClient) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Jane"

    result = await upscaled(jane, encoded(PHOTO, exif=exif), metadata="keep")

    assert result.getexif()[ExifTags.Base.Artist] == "Jane"


@pytest.mark.parametrize(
    ("options", "used", "reason"),
    [
        ({}, "faithful", "clean_photo"),
        ({"model": "auto"}, "faithful", "clean_photo"),
        ({"model": "clean"}, "clean", "asked_for"),
    ],
)
async def test_an_image_says_which_model_was_used_and_why(
    jane: httpx2.AsyncClient, photos: Path, options: dict[str, str], used: str, reason: str
) -> None:
    photo = Image.open(photos / "coffee.png").convert("RGB").resize((90, 60))

    found = await wait_for_status(
        jane, await upload_image(jane, encoded(photo, "PNG"), **options), "completed"
    )

    assert found["model"]["asked"] == options.get("model", "auto")
    assert (found["model"]["used"], found["model"]["reason"]) == (used, reason)
    assert found["model"]["message"].endswith(".")


@pytest.mark.parametrize(("options", "allowed"), [({}, {"bf16", "f32"}), ({"precision": "exact"}, {"f32"})])
async def test_an_image_says_in_which_precision_it_was_made(
    jane: httpx2.AsyncClient, photos: Path, options: dict[str, str], allowed: set[str]
) -> None:
    photo = Image.open(photos / "coffee.png").convert("RGB").resize((60, 40))

    found = await wait_for_status(
        jane, await upload_image(jane, encoded(photo, "PNG"), **options), "completed"
    )

    assert found["model"]["precision"] in allowed


async def test_a_low_quality_jpeg_gets_the_clean_model(jane: httpx2.AsyncClient, photos: Path) -> None:
    photo = Image.open(photos / "coffee.png").convert("RGB").resize((90, 60))

    found = await wait_for_status(
        jane, await upload_image(jane, encoded(photo, "JPEG", quality=70)), "completed"
    )

    assert (found["model"]["used"], found["model"]["reason"]) == ("clean", "worn_jpeg")
