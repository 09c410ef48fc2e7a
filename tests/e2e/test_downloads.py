"""A download link works without a token until it expires, whatever the name of the uploaded file."""

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
from PIL import Image

from loupe_local.stack import Stack
from tests.client import get_image, upload_image, wait_for_status
from tests.pixels import encoded, opened

PHOTO = encoded(Image.new("RGB", (4, 4), "teal"))
DISPOSITION = re.compile(
    r"""attachment; filename="([ !#-:<-\[\]-~]*)"; filename\*=UTF-8''([A-Za-z0-9_.~%-]+)"""
)
"""An ASCII name without quotes, backslashes and semicolons, and the full name."""


@pytest.fixture(scope="module")
async def browser() -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a client without a token."""
    async with httpx2.AsyncClient(timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
async def finished(jane: httpx2.AsyncClient) -> dict[str, Any]:
    return await wait_for_status(jane, await upload_image(jane, PHOTO, "teal.jpg"), "completed")


async def read_link(client: httpx2.AsyncClient, image_id: int) -> dict[str, str]:
    answer = await client.get(f"/api/images/{image_id}/download")
    assert (answer.status_code, answer.json()["message"]) == (200, "Download URL generated successfully")
    return answer.json()["data"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param("photo.jpg", "photo.jpg", id="plain"),
        pytest.param('quo"te\\".jpg', '".jpg', id="quotes and a path separator"),
        pytest.param("a\r\nSet-Cookie: x=1\r\n\r\n.jpg", "aSet-Cookie: x=1.jpg", id="line breaks"),
        pytest.param("\u202egpj.exe", "gpj.jpg", id="right to left"),
        pytest.param("x" * 10_000 + ".jpg", "x" * 251 + ".jpg", id="ten thousand letters"),
        pytest.param("🐱" * 2_500 + ".jpg", "🐱" * 251 + ".jpg", id="ten thousand bytes of cats"),
        pytest.param("日本 🐶.jpg", "日本 🐶.jpg", id="other scripts"),
        pytest.param("", "image.jpg", id="none"),
        pytest.param(" ", "image.jpg", id="a space"),
        pytest.param("../../etc/passwd", "passwd.jpg", id="a path"),
        pytest.param("C:\\photos\\cat.jpg", "cat.jpg", id="a path of Windows"),
        pytest.param("50% off %41%2e.jpg", "50% off %41%2e.jpg", id="percent signs"),
        pytest.param("a; filename=evil.exe; x=.jpg", "a; filename=evil.exe; x=.jpg", id="parameters"),
        pytest.param("<script>'&#.jpg", "<script>'&#.jpg", id="markup"),
    ],
)
async def test_any_name_comes_back_in_a_header_that_says_nothing_else(
    jane: httpx2.AsyncClient, browser: httpx2.AsyncClient, sent: str, expected: str
) -> None:
    image_id = await upload_image(jane, PHOTO, sent)
    await wait_for_status(jane, image_id, "completed")

    link = await read_link(jane, image_id)
    answer = await browser.get(link["download_url"])

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert "set-cookie" not in answer.headers
    names = DISPOSITION.fullmatch(answer.headers["content-disposition"])
    assert names, answer.headers["content-disposition"]
    assert unquote(names[2]) == link["filename"] == expected
    assert len(names[1]) == len(expected)


@pytest.mark.parametrize(
    ("file_format", "sent", "expected", "media"),
    [
        ("PNG", "photo.jpg", "photo.png", "image/png"),
        ("PNG", "photo.PNG", "photo.PNG", "image/png"),
        ("WEBP", "photo.webp", "photo.webp", "image/webp"),
        ("TIFF", "photo.tif", "photo.tif", "image/tiff"),
        ("BMP", "photo.bmp", "photo.png", "image/png"),
        ("GIF", "photo.tar.gif", "photo.tar.png", "image/png"),
        ("JPEG", "photo.jpeg", "photo.jpeg", "image/jpeg"),
        ("JPEG", "photo", "photo.jpg", "image/jpeg"),
    ],
)
async def test_a_download_has_the_name_and_type_of_the_result(
    jane: httpx2.AsyncClient,
    browser: httpx2.AsyncClient,
    file_format: str,
    sent: str,
    expected: str,
    media: str,
) -> None:
    data = encoded(Image.new("RGB", (4, 4), "teal"), file_format)
    image_id = await upload_image(jane, data, sent)
    await wait_for_status(jane, image_id, "completed")

    link = await read_link(jane, image_id)
    answer = await browser.get(link["download_url"])

    assert (link["filename"], answer.headers["content-type"]) == (expected, media)
    assert Image.MIME[opened(answer.content).format or ""] == media


async def test_both_links_of_an_image_are_signed_for_the_public_host_and_an_hour(
    stack: Stack, jane: httpx2.AsyncClient, browser: httpx2.AsyncClient, finished: dict[str, Any]
) -> None:
    links = [finished["download_url"], (await read_link(jane, finished["id"]))["download_url"]]

    answers = [await browser.get(link) for link in links]

    for link, answer in zip(links, answers, strict=True):
        url = httpx2.URL(link)
        assert url.netloc.decode() == stack.stores.s3.endpoint
        assert url.path == f"/{stack.stores.s3.bucket}/{finished['upscaled_path']}"
        assert url.params["X-Amz-Expires"] == "3600"
        assert url.params["X-Amz-SignedHeaders"] == "host"
        assert opened(answer.content).size == (8, 8)


async def test_an_image_has_no_link_until_it_is_completed(stack: Stack, jane: httpx2.AsyncClient) -> None:
    await stack.stores.supervisor.stop("inference")
    image_id = await upload_image(jane, PHOTO)

    waiting, answer = await get_image(jane, image_id), await jane.get(f"/api/images/{image_id}/download")
    await stack.stores.supervisor.restart("inference")
    done = await wait_for_status(jane, image_id, "completed")

    assert (waiting["download_url"], waiting["download_expires_at"]) == (None, None)
    assert (answer.status_code, answer.json()["code"]) == (400, "image_processing")
    assert answer.json()["message"] == "Image is still processing"
    assert done["download_url"]
    assert done["download_expires_at"]


@pytest.mark.parametrize(
    "changed",
    [
        {"X-Amz-Expires": "604800"},
        {"X-Amz-Expires": "3601"},
        {"X-Amz-Date": "20990101T000000Z"},
        {"response-content-disposition": "inline"},
        {"response-content-type": "text/html"},
        {"X-Amz-Signature": "0" * 64},
    ],
)
async def test_a_changed_link_is_refused(
    browser: httpx2.AsyncClient, finished: dict[str, Any], changed: dict[str, str]
) -> None:
    url = httpx2.URL(finished["download_url"])

    answer = await browser.get(url.copy_merge_params(changed))

    assert answer.status_code == 403


async def test_a_link_opens_no_other_object(browser: httpx2.AsyncClient, finished: dict[str, Any]) -> None:
    link = finished["download_url"].replace(finished["upscaled_path"], finished["original_path"])

    answer = await browser.get(link)

    assert link != finished["download_url"]
    assert answer.status_code == 403


async def test_a_link_can_only_be_used_to_read(browser: httpx2.AsyncClient, finished: dict[str, Any]) -> None:
    link = finished["download_url"]

    bare = await browser.get(link.partition("?")[0])
    others = [await browser.request(method, link, content=b"x") for method in ("PUT", "DELETE")]
    head = await browser.head(link)
    after = await browser.get(link)

    assert [answer.status_code for answer in (bare, *others, head)] == [403, 403, 403, 403]
    assert opened(after.content).size == (8, 8)


@pytest.mark.parametrize(("age", "status"), [(timedelta(minutes=59), 200), (timedelta(minutes=61), 403)])
async def test_a_link_is_refused_when_its_hour_is_over(
    stack: Stack, browser: httpx2.AsyncClient, finished: dict[str, Any], age: timedelta, status: int
) -> None:
    store = stack.stores.s3.client("images")
    link = store.presigned_get_object(
        stack.stores.s3.bucket,
        finished["upscaled_path"],
        expires=timedelta(hours=1),
        request_date=datetime.now(UTC) - age,
    )

    answer = await browser.get(link)

    assert answer.status_code == status


async def test_links_of_a_deleted_image_stop_working(
    jane: httpx2.AsyncClient, browser: httpx2.AsyncClient
) -> None:
    image_id = await upload_image(jane, PHOTO)
    link = (await wait_for_status(jane, image_id, "completed"))["download_url"]

    await jane.delete(f"/api/images/{image_id}")

    async with asyncio.timeout(30):
        while (answer := await browser.get(link)).status_code == 200:
            await asyncio.sleep(0.05)
    assert answer.status_code == 404


async def test_a_range_of_a_result_can_be_requested(
    browser: httpx2.AsyncClient, finished: dict[str, Any]
) -> None:
    whole = (await browser.get(finished["download_url"])).content

    first = await browser.get(finished["download_url"], headers={"Range": "bytes=0-9"})
    rest = await browser.get(finished["download_url"], headers={"Range": "bytes=10-"})
    behind = await browser.get(finished["download_url"], headers={"Range": "bytes=999999-"})

    assert [answer.status_code for answer in (first, rest, behind)] == [206, 206, 416]
    assert first.headers["content-range"] == f"bytes 0-9/{len(whole)}"
    assert first.content + rest.content == whole
