"""Images, line by line: what is accepted, which size it is given, how it is told, fetched and deleted."""

import re
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from client import accepted, client_of, image, nobody_working, result_of, until, upscale
from PIL import Image
from pixels import encoded, opened

from loupe_local.stack import Stack
from tests.contract.asking import CORRUPT, SMALL, at_fault, refusal, told, until_gone
from tests.contract.shapes import ACCEPTED, DOWNLOAD, IMAGE
from tests.gateway.gateway_rig import People

TEN_MB = 10_485_760
KINDS = "The image must be a file of type: jpeg, png, webp, bmp, tiff, gif."
BROKEN = "The image is corrupt or incomplete."
QUEUED = "Image uploaded and queued for processing"


def padded(size: int) -> bytes:
    """A PNG of exactly so many bytes, most of them in a chunk that no decoder looks into."""
    whole = encoded(opened(SMALL).convert("L").resize((4, 4)), "PNG")
    body = b"prVt" + bytes(size - len(whole) - 12)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return whole[:-12] + chunk + whole[-12:]


def a_png_header_of(width: int, height: int) -> bytes:
    """Says it has this size, and has few bytes."""
    data = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("size", "human"), [(TEN_MB, "10 MB"), (2 << 20, "2 MB"), (1536, "1.5 KB"), (512, "512 B")]
)
async def test_ten_megabytes_are_accepted_and_sizes_are_told_to_people(
    jane: httpx2.AsyncClient, size: int, human: str
) -> None:
    data = told(await upscale(jane, padded(size)), QUEUED, ACCEPTED, 202)

    assert (data["original_size"], data["original_size_human"]) == (size, human)


async def test_one_byte_more_is_422(jane: httpx2.AsyncClient) -> None:
    answer = await upscale(jane, padded(TEN_MB + 1))

    assert at_fault(answer) == {"image": ["The image may not be greater than 10 MB."]}


async def test_the_type_is_what_the_content_is(jane: httpx2.AsyncClient) -> None:
    files = {"image": ("photo.jpg", encoded(opened(SMALL), "PNG"), "text/plain")}

    accepted_one = await jane.post("/api/images/upscale", files=files)
    text = await jane.post("/api/images/upscale", files={"image": ("photo.png", b"a text", "image/png")})

    found = await image(jane, accepted_one.json()["data"]["id"])
    assert found["original_path"].endswith(".png")
    assert at_fault(text) == {"image": [KINDS]}


@pytest.mark.parametrize(
    ("data", "fields", "wrong"),
    [
        pytest.param(SMALL[:-200], {}, {"image": [BROKEN]}, id="truncated"),
        pytest.param(
            a_png_header_of(10_000, 5_001),
            {},
            {"image": ["The image may not have more than 50 megapixels."]},
            id="50 megapixels",
        ),
        pytest.param(
            encoded(Image.new("1", (8_193, 10)), "PNG"),
            {},
            {"scale_factor": ["The scale factor makes a side of 16386 pixels; at most 16384 are possible."]},
            id="16,384 a side",
        ),
        pytest.param(
            encoded(Image.new("1", (6_000, 6_000)), "PNG"),
            {"target_width": 16_384, "target_height": 16_384},
            None,
            id="268 megapixels are possible",
        ),
        *(
            pytest.param(
                SMALL,
                {"scale_factor": text},
                {"scale_factor": [f"The scale factor must be {rule}."]},
                id=text,
            )
            for text, rule in (
                ("1", "between 2 and 4"),
                ("5", "between 2 and 4"),
                ("2.0", "an integer"),
                ("two", "an integer"),
            )
        ),
        pytest.param(
            SMALL,
            {"scale_factor": 2, "target_width": 48},
            {
                "scale_factor": ["The scale factor cannot be used with target width or target height."],
                "target_width": ["The target width cannot be used with scale factor."],
            },
            id="both",
        ),
        pytest.param(
            SMALL,
            {"target_width": 16_385},
            {"target_width": ["The target width must be between 1 and 16384."]},
            id="out of range",
        ),
        pytest.param(
            SMALL,
            {"target_width": 23, "target_height": 40},
            {"target_width": ["The target width must not be smaller than the original."]},
            id="a side smaller",
        ),
        pytest.param(
            SMALL,
            {"target_width": 24, "target_height": 16},
            {
                "target_width": ["The target must be larger than the original."],
                "target_height": ["The target must be larger than the original."],
            },
            id="no side larger",
        ),
        pytest.param(
            SMALL,
            {"target_height": 65},
            {"target_height": ["The target height may not be more than 4 times the original."]},
            id="more than max_scale",
        ),
    ],
)
async def test_what_cannot_be_done_is_422_on_its_field(
    jane: httpx2.AsyncClient, data: bytes, fields: dict[str, Any], wrong: dict[str, list[str]] | None
) -> None:
    answer = await upscale(jane, data, **fields)

    if wrong is None:
        assert answer.status_code == 202
        await jane.delete(f"/api/images/{answer.json()['data']['id']}")
    else:
        assert at_fault(answer) == wrong


@pytest.mark.parametrize(
    ("fields", "told_as", "size"),
    [
        ({}, (2, None, None), (48, 32)),
        ({"scale_factor": "2"}, (2, None, None), (48, 32)),
        ({"scale_factor": "3"}, (3, None, None), (72, 48)),
        ({"scale_factor": "4"}, (4, None, None), (96, 64)),
        ({"target_height": "17"}, (None, None, 17), (26, 17)),
        ({"target_width": "37"}, (None, 37, None), (37, 25)),
        ({"target_width": "90", "target_height": "16"}, (None, 90, 16), (90, 16)),
    ],
    ids=["usual", "2", "3", "4", "half up", "aspect ratio", "stretched"],
)
async def test_the_result_has_exactly_the_size_that_was_asked_for(
    jane: httpx2.AsyncClient, fields: dict[str, str], told_as: tuple[int | None, ...], size: tuple[int, int]
) -> None:
    asked = ("scale_factor", "target_width", "target_height")

    first = told(await upscale(jane, SMALL, **fields), QUEUED, ACCEPTED, 202)
    result = opened(await result_of(jane, first["id"]))
    last = await image(jane, first["id"])

    assert tuple(first[name] for name in asked) == tuple(last[name] for name in asked) == told_as
    assert result.size == size
    assert last["upscaled_dimensions"] == f"{size[0]}x{size[1]}"


async def test_an_image_is_told_whole_from_the_beginning_with_null_for_what_is_not_known(
    stack: Stack, people: People
) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        with nobody_working(stack):
            first = told(await upscale(client, SMALL, "Häuser.jpg"), QUEUED, ACCEPTED, 202)
            answer = await client.get(f"/api/images/{first['id']}")
            download = await client.get(f"/api/images/{first['id']}/download")

    found = told(answer, "Image retrieved successfully", IMAGE)
    unknown = {key for key, value in found.items() if value is None}
    assert unknown - {"estimated_seconds"} == {  # known once a worker has worked
        "upscaled_path",
        "upscaled_size",
        "upscaled_size_human",
        "upscaled_dimensions",
        "upscaled_dimensions_formatted",
        "target_width",
        "target_height",
        "processing_time",
        "download_url",
        "queue_time",
        "download_expires_at",
        "error",
        "batch_id",
    }
    assert (found["status"], found["api_request"]) == ("pending", True)
    assert min(first["queue_position"], found["queue_position"]) >= 1
    assert (found["original_filename"], found["original_dimensions"]) == ("Häuser.jpg", "24x16")
    assert refusal(download) == (400, "image_processing", "Image is still processing")


async def test_a_finished_image_tells_all_about_its_result(jane: httpx2.AsyncClient) -> None:
    image_id = await accepted(jane, SMALL)
    await until(jane, image_id, "completed")

    answer = await jane.get(f"/api/images/{image_id}")

    found = told(answer, "Image retrieved successfully", IMAGE)
    stem = re.fullmatch(r"images/originals/(\w{16,})\.jpg", found["original_path"])
    assert stem
    assert found["upscaled_path"] == f"images/upscaled/{stem[1]}.jpg"
    assert found["upscaled_size"] == len(await result_of(jane, image_id))
    assert (found["original_dimensions"], found["original_dimensions_formatted"]) == ("24x16", "24 x 16")
    assert (found["upscaled_dimensions"], found["upscaled_dimensions_formatted"]) == ("48x32", "48 x 32")
    assert re.search(r'"processing_time":\d+\.\d{1,2},', answer.text)
    assert re.search(r'"queue_time":\d+\.\d{1,2},', answer.text)
    assert found["error"] is None


async def test_a_failed_image_tells_why(jane: httpx2.AsyncClient) -> None:
    image_id = await accepted(jane, CORRUPT)
    await until(jane, image_id, "failed")

    found = told(await jane.get(f"/api/images/{image_id}"), "Image retrieved successfully", IMAGE)
    download = await jane.get(f"/api/images/{image_id}/download")

    assert (found["error"]["code"], found["error"]["retryable"]) == ("undecodable", False)
    assert found["download_url"] is None
    assert refusal(download) == (400, "image_failed", "Image processing failed")


async def test_a_download_link_lasts_an_hour_and_names_the_file(jane: httpx2.AsyncClient) -> None:
    image_id = await accepted(jane, SMALL, 'my "cat"; é.jpg')
    await until(jane, image_id, "completed")

    before = datetime.now(UTC)
    answer = await jane.get(f"/api/images/{image_id}/download")
    data = told(answer, "Download URL generated successfully", DOWNLOAD)
    async with httpx2.AsyncClient() as anyone:
        file = await anyone.get(data["download_url"])

    lasts = datetime.fromisoformat(data["expires_at"]) - before
    assert timedelta(minutes=59) < lasts < timedelta(minutes=61)
    assert "X-Amz-Expires=3600" in data["download_url"]
    assert data["filename"] == 'my "cat"; é.jpg'
    assert file.headers["content-type"] == "image/jpeg"
    assert file.headers["content-disposition"].startswith("attachment; filename=")
    assert opened(file.content).size == (48, 32)


async def test_a_deleted_image_is_gone_with_its_objects(jane: httpx2.AsyncClient, stack: Stack) -> None:
    image_id = await accepted(jane, SMALL)
    found = await until(jane, image_id, "completed")

    answer = await jane.delete(f"/api/images/{image_id}")
    after = [await jane.get(f"/api/images/{image_id}"), await jane.delete(f"/api/images/{image_id}")]

    told(answer, "Image deleted successfully")
    assert {refusal(one)[:2] for one in after} == {(404, "image_not_found")}
    await until_gone(stack, found["original_path"], found["upscaled_path"])
