"""Images, line by line: what is accepted, the size of results, the JSON, download links and deletion."""

import re
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from PIL import Image

from loupe_local.stack import Stack
from tests.client import (
    client_of,
    download_result,
    get_image,
    pause_worker,
    upload_image,
    upscale,
    wait_for_status,
)
from tests.contract.api_client import CORRUPT, SMALL, data_of, invalid_fields, refusal, until_deleted
from tests.contract.shapes import ACCEPTED, DOWNLOAD, IMAGE
from tests.gateway.harness import People
from tests.pixels import encoded, opened
from tests.texts import NOT_AN_IMAGE

TEN_MB = 10_485_760
BROKEN = "The image is corrupt or incomplete."
QUEUED = "Image uploaded and queued for processing"


def padded(size: int) -> bytes:
    """Return a PNG of exactly that many bytes. Most of them are in a chunk that decoders skip."""
    whole = encoded(opened(SMALL).convert("L").resize((4, 4)), "PNG")
    body = b"prVt" + bytes(size - len(whole) - 12)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return whole[:-12] + chunk + whole[-12:]


def a_png_header_of(width: int, height: int) -> bytes:
    """Return a short file that claims this size."""
    data = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("size", "human"), [(TEN_MB, "10 MB"), (2 << 20, "2 MB"), (1536, "1.5 KB"), (512, "512 B")]
)
async def test_ten_megabytes_are_accepted_and_sizes_are_readable(
    jane: httpx2.AsyncClient, size: int, human: str
) -> None:
    data = data_of(await upscale(jane, padded(size)), QUEUED, ACCEPTED, 202)

    assert (data["original_size"], data["original_size_human"]) == (size, human)


async def test_one_byte_more_is_422(jane: httpx2.AsyncClient) -> None:
    answer = await upscale(jane, padded(TEN_MB + 1))

    assert invalid_fields(answer) == {"image": ["The image may not be greater than 10 MB."]}


async def test_the_content_decides_the_type(jane: httpx2.AsyncClient) -> None:
    files = {"image": ("photo.jpg", encoded(opened(SMALL), "PNG"), "text/plain")}

    accepted_one = await jane.post("/api/images/upscale", files=files)
    text = await jane.post("/api/images/upscale", files={"image": ("photo.png", b"a text", "image/png")})

    found = await get_image(jane, accepted_one.json()["data"]["id"])
    assert found["original_path"].endswith(".png")
    assert invalid_fields(text) == {"image": [NOT_AN_IMAGE]}


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
async def test_an_impossible_option_is_422_on_its_field(
    jane: httpx2.AsyncClient, data: bytes, fields: dict[str, Any], wrong: dict[str, list[str]] | None
) -> None:
    answer = await upscale(jane, data, **fields)

    if wrong is None:
        assert answer.status_code == 202
        await jane.delete(f"/api/images/{answer.json()['data']['id']}")
    else:
        assert invalid_fields(answer) == wrong


@pytest.mark.parametrize(
    ("fields", "expected", "size"),
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
async def test_the_result_has_exactly_the_requested_size(
    jane: httpx2.AsyncClient, fields: dict[str, str], expected: tuple[int | None, ...], size: tuple[int, int]
) -> None:
    names = ("scale_factor", "target_width", "target_height")

    first = data_of(await upscale(jane, SMALL, **fields), QUEUED, ACCEPTED, 202)
    result = opened(await download_result(jane, first["id"]))
    last = await get_image(jane, first["id"])

    assert tuple(first[name] for name in names) == tuple(last[name] for name in names) == expected
    assert result.size == size
    assert last["upscaled_dimensions"] == f"{size[0]}x{size[1]}"


async def test_a_new_image_has_all_fields_with_null_for_unknown_values(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        with pause_worker(stack):
            first = data_of(await upscale(client, SMALL, "Häuser.jpg"), QUEUED, ACCEPTED, 202)
            answer = await client.get(f"/api/images/{first['id']}")
            download = await client.get(f"/api/images/{first['id']}/download")

    found = data_of(answer, "Image retrieved successfully", IMAGE)
    unknown = {key for key, value in found.items() if value is None}
    assert unknown - {"estimated_seconds"} == {  # known as soon as a worker has finished an image
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
        "previews",
        "webhook_url",
        "expires_at",
        "reference",
        "batch_id",
    }
    assert (found["status"], found["api_request"]) == ("pending", True)
    assert min(first["queue_position"], found["queue_position"]) >= 1
    assert (found["original_filename"], found["original_dimensions"]) == ("Häuser.jpg", "24x16")
    assert refusal(download) == (400, "image_processing", "Image is still processing")


async def test_a_finished_image_describes_its_result(jane: httpx2.AsyncClient) -> None:
    image_id = await upload_image(jane, SMALL)
    await wait_for_status(jane, image_id, "completed")

    answer = await jane.get(f"/api/images/{image_id}")

    found = data_of(answer, "Image retrieved successfully", IMAGE)
    stem = re.fullmatch(r"images/originals/(\w{16,})\.jpg", found["original_path"])
    assert stem
    assert found["upscaled_path"] == f"images/upscaled/{stem[1]}.jpg"
    assert found["upscaled_size"] == len(await download_result(jane, image_id))
    assert (found["original_dimensions"], found["original_dimensions_formatted"]) == ("24x16", "24 x 16")
    assert (found["upscaled_dimensions"], found["upscaled_dimensions_formatted"]) == ("48x32", "48 x 32")
    assert re.search(r'"processing_time":\d+\.\d{1,2},', answer.text)
    assert re.search(r'"queue_time":\d+\.\d{1,2},', answer.text)
    assert found["error"] is None


async def test_a_failed_image_says_why(jane: httpx2.AsyncClient) -> None:
    image_id = await upload_image(jane, CORRUPT)
    await wait_for_status(jane, image_id, "failed")

    found = data_of(await jane.get(f"/api/images/{image_id}"), "Image retrieved successfully", IMAGE)
    download = await jane.get(f"/api/images/{image_id}/download")

    assert (found["error"]["code"], found["error"]["retryable"]) == ("undecodable", False)
    assert found["download_url"] is None
    assert refusal(download) == (400, "image_failed", "Image processing failed")


async def test_a_download_link_lasts_an_hour_and_has_the_file_name(jane: httpx2.AsyncClient) -> None:
    image_id = await upload_image(jane, SMALL, 'my "cat"; é.jpg')
    await wait_for_status(jane, image_id, "completed")

    before = datetime.now(UTC)
    answer = await jane.get(f"/api/images/{image_id}/download")
    data = data_of(answer, "Download URL generated successfully", DOWNLOAD)
    async with httpx2.AsyncClient() as anyone:
        file = await anyone.get(data["download_url"])

    lasts = datetime.fromisoformat(data["expires_at"]) - before
    assert timedelta(minutes=59) < lasts < timedelta(minutes=61)
    assert "X-Amz-Expires=3600" in data["download_url"]
    assert data["filename"] == 'my "cat"; é.jpg'
    assert file.headers["content-type"] == "image/jpeg"
    assert file.headers["content-disposition"].startswith("attachment; filename=")
    assert opened(file.content).size == (48, 32)


async def test_deleting_an_image_deletes_its_objects(jane: httpx2.AsyncClient, stack: Stack) -> None:
    image_id = await upload_image(jane, SMALL)
    found = await wait_for_status(jane, image_id, "completed")

    answer = await jane.delete(f"/api/images/{image_id}")
    after = [await jane.get(f"/api/images/{image_id}"), await jane.delete(f"/api/images/{image_id}")]

    data_of(answer, "Image deleted successfully")
    assert {refusal(one)[:2] for one in after} == {(404, "image_not_found")}
    await until_deleted(stack, found["original_path"], found["upscaled_path"])
