"""Bad input is refused as the contract says, and leaves nothing behind: no row, no object, no reservation."""

import asyncio
import io
import zlib
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from PIL import Image

from loupe_local.stack import Stack
from tests.client import count_used_images, upload_image, upscale, wait_for_status
from tests.pixels import encoded
from tests.texts import NOT_AN_IMAGE

SMALL = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))
PIXEL = encoded(Image.new("RGB", (1, 1)), "PNG")


def a_png_of(width: int, height: int) -> bytes:
    """Return a PNG whose header claims this size. Its checksums are right, and its pixels are few bytes."""
    data = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


async def count_traces(stack: Stack, client: httpx2.AsyncClient) -> tuple[int, int]:
    """Return the number of rows, and of images used."""
    url = stack.stores.database_url("images").replace("postgresql+psycopg", "postgresql")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute("SELECT count(*) FROM image")).fetchone()
    return (row or (0,))[0], await count_used_images(client)


async def list_originals(stack: Stack) -> set[str]:
    """Return the keys of all originals. Those of images that other tests have deleted may still go."""
    store = stack.stores.s3.client("images")
    found = await asyncio.to_thread(
        lambda: list(store.list_objects(stack.stores.s3.bucket, "images/originals/", recursive=True))
    )
    return {str(each.object_name) for each in found}


BROKEN = "The image is corrupt or incomplete."


@pytest.mark.parametrize(
    ("data", "fields", "wrong"),
    [
        (b"", {}, {"image": ["The image field is required."]}),
        (b"hello, I am a text", {}, {"image": [NOT_AN_IMAGE]}),
        (b"%PDF-1.7 nor am I", {}, {"image": [NOT_AN_IMAGE]}),
        (SMALL[: len(SMALL) // 2], {}, {"image": [BROKEN]}),
        (PIXEL[:-25], {}, {"image": [BROKEN]}),
        (PIXEL[:-16] + b"\0" + PIXEL[-15:], {}, {"image": [BROKEN]}),
        (a_png_of(9000, 9000), {}, {"image": ["The image may not have more than 50 megapixels."]}),
        (
            encoded(Image.new("1", (6000, 6000)), "PNG"),
            {"scale_factor": 4},
            {"scale_factor": ["The scale factor makes a side of 24000 pixels; at most 16384 are possible."]},
        ),
        (b"\xff" * (10 * 2**20 + 1), {}, {"image": ["The image may not be greater than 10 MB."]}),
        (SMALL, {"scale_factor": 5}, {"scale_factor": ["The scale factor must be between 2 and 4."]}),
        (SMALL, {"scale_factor": "2.0"}, {"scale_factor": ["The scale factor must be an integer."]}),
        (SMALL, {"target_width": 0}, {"target_width": ["The target width must be between 1 and 16384."]}),
        (
            SMALL,
            {"target_width": 23},
            {"target_width": ["The target width must not be smaller than the original."]},
        ),
        (
            SMALL,
            {"target_width": 24, "target_height": 16},
            {
                "target_width": ["The target must be larger than the original."],
                "target_height": ["The target must be larger than the original."],
            },
        ),
        (
            SMALL,
            {"target_width": 97},
            {"target_width": ["The target width may not be more than 4 times the original."]},
        ),
        (
            SMALL,
            {"scale_factor": 2, "target_width": 48},
            {
                "scale_factor": ["The scale factor cannot be used with target width or target height."],
                "target_width": ["The target width cannot be used with scale factor."],
            },
        ),
        (
            b"text",
            {"scale_factor": 9},
            {"image": [NOT_AN_IMAGE], "scale_factor": ["The scale factor must be between 2 and 4."]},
        ),
    ],
)
async def test_bad_input_is_refused_and_leaves_nothing(
    stack: Stack, jane: httpx2.AsyncClient, data: bytes, fields: dict[str, Any], wrong: dict[str, list[str]]
) -> None:
    before, originals = await count_traces(stack, jane), await list_originals(stack)

    answer = await upscale(jane, data, **fields)

    body = answer.json()
    assert answer.status_code == 422
    assert (body["success"], body["message"], body["errors"]) == (False, "Validation failed", wrong)
    assert body["code"] == "validation_failed"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert await count_traces(stack, jane) == before
    assert not await list_originals(stack) - originals


async def test_a_body_without_an_image_is_refused(jane: httpx2.AsyncClient) -> None:
    multipart = await jane.post("/api/images/upscale", files={"other": b"x"}, data={"scale_factor": "2"})
    json = await jane.post("/api/images/upscale", json={"image": "x"})

    required = {"image": ["The image field is required."]}
    assert (multipart.status_code, multipart.json()["errors"]) == (422, required)
    assert (json.status_code, json.json()["errors"]) == (422, required)


async def test_a_broken_multipart_body_is_malformed(jane: httpx2.AsyncClient) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=here"}

    answer = await jane.post("/api/images/upscale", content=b"--here\r\nnonsense", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


async def test_a_body_over_the_cap_is_not_read(stack: Stack) -> None:
    host, _, port = stack.api.removeprefix("http://").partition(":")
    head = (
        f"POST /api/images/upscale HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {stack.token}\r\n"
        f"Content-Type: multipart/form-data; boundary=here\r\nContent-Length: {12 << 20}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))

    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.readuntil(b"body_too_large"), timeout=10)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer nonsense", "Bearer 1|abc", "Basic eDp5"])
async def test_a_request_without_a_valid_token_is_unauthenticated(
    anyone: httpx2.AsyncClient, token: str
) -> None:
    headers = {"Authorization": token} if token else {}

    for method, path in (("GET", "/api/images"), ("GET", "/api/images/1"), ("POST", "/api/images/upscale")):
        answer = await anyone.request(method, path, headers=headers)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert (answer.json()["message"], answer.json()["code"]) == ("Unauthenticated.", "unauthenticated")


async def test_another_users_image_is_not_found(jane: httpx2.AsyncClient, omar: httpx2.AsyncClient) -> None:
    image_id = await upload_image(jane, SMALL)
    await wait_for_status(jane, image_id, "completed")

    for method, path in (("GET", ""), ("GET", "/download"), ("DELETE", "")):
        answer = await omar.request(method, f"/api/images/{image_id}{path}")

        assert (answer.status_code, answer.json()["code"]) == (404, "image_not_found")
    assert (await wait_for_status(jane, image_id, "completed"))["id"] == image_id


@pytest.mark.parametrize("image_id", ["0", "abc", "1.5", "1.0", "01", "%2B1", "-1", str(2**63), "999999999"])
async def test_an_invalid_id_is_not_found(jane: httpx2.AsyncClient, image_id: str) -> None:
    answer = await jane.get(f"/api/images/{image_id}")

    assert (answer.status_code, answer.json()["message"]) == (404, "Image not found.")


async def test_unknown_paths_and_methods_are_refused_in_the_envelope(jane: httpx2.AsyncClient) -> None:
    missing = await jane.get("/api/nothing", headers={"Accept": "text/html"})
    wrong = await jane.put("/api/images/1")

    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "DELETE, GET, HEAD"


async def test_an_undecodable_image_fails_and_costs_nothing(jane: httpx2.AsyncClient, photos: Path) -> None:
    photo = Image.open(photos / "chelsea.png").convert("RGB").resize((64, 64))
    out = io.BytesIO()
    photo.save(out, "TIFF", compression="tiff_lzw")
    data = bytearray(out.getvalue())
    data[8:400] = b"\xff" * 392
    before = await count_used_images(jane)

    image_id = await upload_image(jane, bytes(data), "broken.tif")
    found = await wait_for_status(jane, image_id, "failed")
    download = await jane.get(f"/api/images/{image_id}/download")

    assert found["error"]["code"] == "undecodable"
    assert found["error"]["retryable"] is False
    assert (download.status_code, download.json()["message"]) == (400, "Image processing failed")
    assert await count_used_images(jane) == before


async def test_a_refusal_before_the_body_is_read_closes_the_connection(stack: Stack) -> None:
    host, _, port = stack.api.removeprefix("http://").partition(":")
    head = (
        f"POST /api/images/upscale HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: multipart/form-data; boundary=here\r\nContent-Length: {1 << 30}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))

    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.read(), timeout=10)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


async def test_headers_without_an_end_are_refused(stack: Stack) -> None:
    host, _, port = stack.api.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    padding = "".join(f"X-Padding-{number}: {'x' * 1000}\r\n" for number in range(65))
    writer.write(f"GET /api/images HTTP/1.1\r\nHost: {host}\r\n{padding}".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"headers_too_large"), timeout=10)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_jpeg_of_padding_is_refused_at_once(jane: httpx2.AsyncClient) -> None:
    padded = SMALL[:2] + b"\xff" * 5_000_000 + SMALL[2:]

    answer = await asyncio.wait_for(upscale(jane, padded), timeout=10)

    text = "The image may not have 4096 or more fill bytes in a row."
    assert (answer.status_code, answer.json()["errors"]) == (422, {"image": [text]})


@pytest.mark.parametrize("page", ["9" * 5000, "x", "-3", ""])
async def test_an_invalid_page_number_counts_as_the_first_page(jane: httpx2.AsyncClient, page: str) -> None:
    answer = await jane.get("/api/images", params={"page": page, "per_page": "-5"})

    assert answer.status_code == 200
    assert (answer.json()["meta"]["current_page"], answer.json()["meta"]["per_page"]) == (1, 1)
