"""Objects are stored, read and deleted. Links work for a limited time, and only unaltered."""

import asyncio
import secrets
from datetime import timedelta

import httpx2
import pytest
from minio.error import S3Error

from common.blobs import Blobs

MINUTE = timedelta(minutes=1)
DISPOSITION = "attachment; filename=\"photo.png\"; filename*=UTF-8''gr%C3%BC%C3%9Fe%20%26%20mehr.png"


@pytest.fixture
def key() -> str:
    return f"images/originals/{secrets.token_hex(8)}.png"


async def get(url: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.get(url)


def link(blobs: Blobs, key: str, expires: timedelta = MINUTE) -> str:
    return blobs.presigned_url(key, expires, content_type="image/png", disposition=DISPOSITION)


async def test_a_stored_object_is_read_back(blobs: Blobs, key: str) -> None:
    data = secrets.token_bytes(300_000)

    await blobs.put(key, data, "image/png")

    assert await blobs.get(key) == data


async def test_an_object_may_be_empty(blobs: Blobs, key: str) -> None:
    await blobs.put(key, b"", "image/png")

    assert await blobs.get(key) == b""


async def test_storing_again_replaces_the_object(blobs: Blobs, key: str) -> None:
    await blobs.put(key, b"first", "image/png")
    await blobs.put(key, b"second", "image/png")

    assert await blobs.get(key) == b"second"


async def test_reading_a_missing_object_raises(blobs: Blobs, key: str) -> None:
    with pytest.raises(S3Error) as caught:
        await blobs.get(key)

    assert caught.value.code == "NoSuchKey"


async def test_exists_distinguishes_similar_keys(blobs: Blobs, key: str) -> None:
    await blobs.put(key, b"data", "image/png")

    assert [await blobs.exists(name) for name in (key, f"{key}.2", key[:-1])] == [True, False, False]


async def test_only_the_given_keys_are_deleted(blobs: Blobs, key: str) -> None:
    for name in (key, f"{key}.2", f"{key}.3"):
        await blobs.put(name, b"data", "image/png")

    await blobs.delete([key, f"{key}.2"])

    assert await blobs.get(f"{key}.3") == b"data"
    for name in (key, f"{key}.2"):
        with pytest.raises(S3Error):
            await blobs.get(name)


async def test_deleting_a_missing_object_is_not_an_error(blobs: Blobs, key: str) -> None:
    await blobs.delete([key])
    await blobs.delete([key])
    await blobs.delete([])


async def test_many_objects_can_be_stored_at_once(blobs: Blobs, key: str) -> None:
    names = [f"{key}.{number}" for number in range(40)]

    await asyncio.gather(*(blobs.put(name, name.encode(), "image/png") for name in names))

    assert await asyncio.gather(*(blobs.get(name) for name in names)) == [name.encode() for name in names]


async def test_ping_succeeds_if_the_bucket_exists(blobs: Blobs) -> None:
    await blobs.ping()


async def test_a_link_sets_type_and_name_of_the_download(blobs: Blobs, key: str) -> None:
    await blobs.put(key, b"pixels", "application/octet-stream")

    url = link(blobs, key)
    answer = await get(url)

    assert url.startswith("http://localhost:")  # the public endpoint, not the internal one
    assert answer.content == b"pixels"
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == DISPOSITION


async def test_a_link_expires(blobs: Blobs, key: str) -> None:
    await blobs.put(key, b"pixels", "image/png")
    url = link(blobs, key, timedelta(seconds=1))

    async with asyncio.timeout(10):
        while (answer := await get(url)).status_code == 200:
            await asyncio.sleep(0.1)

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        ("image%2Fpng", "text%2Fhtml"),
        ("photo.png", "photo.exe"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        (".png?", ".png.2?"),
    ],
)
async def test_an_altered_link_is_refused(blobs: Blobs, key: str, old: str, new: str) -> None:
    await blobs.put(key, b"pixels", "image/png")
    await blobs.put(f"{key}.2", b"another's", "image/png")
    url = link(blobs, key)
    assert old in url

    answer = await get(url.replace(old, new))

    assert answer.status_code == 403
    assert b"another's" not in answer.content


async def test_a_link_without_its_signature_is_refused(blobs: Blobs, key: str) -> None:
    await blobs.put(key, b"pixels", "image/png")

    answer = await get(link(blobs, key).partition("?")[0])

    assert answer.status_code == 403


async def test_a_link_is_for_reading_only(blobs: Blobs, key: str) -> None:
    await blobs.put(key, b"pixels", "image/png")
    url = link(blobs, key)

    async with httpx2.AsyncClient(trust_env=False) as client:
        answers = [await client.put(url, content=b"mine"), await client.delete(url)]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert await blobs.get(key) == b"pixels"
