"""The main job: the result of a real photo is closer to the original than a plain enlargement."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.client import UNFINISHED, download_result, get_image, upload_image, wait_for_status
from tests.pixels import encoded, opened, psnr, shrunk

# On this photo SPAN is better than Lanczos by 4.5 dB at factor 2 and 3.1 dB at factor 4. JPEG at quality 95
# loses some of this.
GAIN_DB = {"PNG": 1.5, "JPEG": 0.8}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("factor", [2, 3, 4])
async def test_the_result_of_a_photo_is_closer_to_the_original_than_lanczos(
    jane: httpx2.AsyncClient, photos: Path, file_format: str, factor: int
) -> None:
    whole, small = shrunk(photos / "astronaut.png", factor)
    data = encoded(small, file_format)

    image_id = await upload_image(jane, data, f"astronaut.{file_format.lower()}", scale_factor=factor)
    result = opened(await download_result(jane, image_id))

    lanczos = opened(data).resize(whole.size, Image.Resampling.LANCZOS)
    assert result.size == whole.size
    assert result.format == file_format
    assert psnr(result, whole) > psnr(lanczos, whole) + GAIN_DB[file_format]


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (200, 160)),
        ({"target_width": 151}, (151, 121)),
        ({"target_height": 300}, (375, 300)),
        ({"target_width": 400, "target_height": 90}, (400, 90)),
    ],
)
async def test_the_result_has_exactly_the_requested_size(
    jane: httpx2.AsyncClient, photos: Path, fields: dict[str, int], size: tuple[int, int]
) -> None:
    photo = Image.open(photos / "coffee.png").convert("RGB").resize((100, 80))

    image_id = await upload_image(jane, encoded(photo), "photo.jpg", **fields)
    result = opened(await download_result(jane, image_id))

    assert result.size == size


async def test_alpha_and_orientation_are_kept(jane: httpx2.AsyncClient, photos: Path) -> None:
    photo = Image.open(photos / "chelsea.png").convert("RGBA").resize((90, 60))
    photo.paste((0, 0, 0, 0), (0, 0, 30, 60))
    turned = Image.Exif()
    turned[0x0112] = 6

    first = await upload_image(jane, encoded(photo, "PNG"), "cat.png")
    second = await upload_image(jane, encoded(photo.convert("RGB"), exif=turned), "cat.jpg")
    transparent, upright = (
        opened(await download_result(jane, first)),
        opened(await download_result(jane, second)),
    )

    assert transparent.mode == "RGBA"
    assert transparent.getpixel((10, 60)) == (*transparent.getpixel((10, 60))[:3], 0)  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]
    assert transparent.getchannel("A").getpixel((150, 60)) == 255
    assert upright.size == (120, 180)


async def test_a_finished_image_has_all_its_facts(jane: httpx2.AsyncClient, photos: Path) -> None:
    data = (photos / "chelsea.png").read_bytes()

    image_id = await upload_image(jane, data, 'my "cat"\r\n.png')
    found = await wait_for_status(jane, image_id, "completed")

    stem = found["original_path"].removeprefix("images/originals/").removesuffix(".png")
    assert found["original_filename"] == 'my "cat".png'
    assert found["upscaled_path"] == f"images/upscaled/{stem}.png"
    assert (found["original_size"], found["original_dimensions"]) == (len(data), "451x300")
    assert found["upscaled_dimensions_formatted"] == "902 x 600"
    assert 0 < found["processing_time"] < 60
    assert found["queue_time"] >= 0


async def test_a_download_is_an_attachment_with_the_right_name_and_type(
    jane: httpx2.AsyncClient, photos: Path
) -> None:
    photo = Image.open(photos / "chelsea.png").convert("RGB").resize((40, 40))

    image_id = await upload_image(jane, encoded(photo, "BMP"), "кот.bmp")
    await wait_for_status(jane, image_id, "completed")
    link = (await jane.get(f"/api/images/{image_id}/download")).json()["data"]
    async with httpx2.AsyncClient() as anyone:
        answer = await anyone.get(link["download_url"])

    assert link["filename"] == "кот.png"
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["content-disposition"].endswith("filename*=UTF-8''%D0%BA%D0%BE%D1%82.png")
    assert opened(answer.content).size == (80, 80)


@pytest.mark.parametrize("factor", [2, 4])
async def test_small_text_stays_readable(jane: httpx2.AsyncClient, factor: int) -> None:
    """The photo model alone is many dB worse than a plain enlargement here."""
    whole = a_page(factor)
    small = whole.resize((whole.width // factor, whole.height // factor), Image.Resampling.BICUBIC)

    image_id = await upload_image(jane, encoded(small, "PNG"), "page.png", scale_factor=factor)
    result = opened(await download_result(jane, image_id))

    lanczos = small.resize(whole.size, Image.Resampling.LANCZOS)
    assert psnr(result, whole) > psnr(lanczos, whole)


def a_page(factor: int) -> Image.Image:
    """Return lines of black text on white, 11 pixels high after the reduction by `factor`."""
    page = Image.new("RGB", (160 * factor, 96 * factor), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=11 * factor)
    for line in range(6):
        pen.text((4 * factor, (4 + 15 * line) * factor), "Sphinx of black quartz, 0123", "black", font)
    return page


async def test_progress_is_reported_while_an_image_is_processed(
    jane: httpx2.AsyncClient, photos: Path
) -> None:
    photo = Image.open(photos / "astronaut.png").convert("RGB").resize((1100, 800))
    image_id = await upload_image(jane, encoded(photo), scale_factor=4, model="faithful")
    reported: list[int] = []

    while (found := await get_image(jane, image_id))["status"] in UNFINISHED:
        reported.append(found["progress"])
        await asyncio.sleep(0.1)

    assert (found["status"], found["progress"]) == ("completed", 100)
    assert reported == sorted(reported)
    assert any(0 < progress < 100 for progress in reported)
