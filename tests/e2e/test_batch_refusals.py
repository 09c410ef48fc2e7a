"""A batch with one fault is refused as a whole, and leaves nothing behind."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, count_used_images
from tests.e2e.batching import PHOTO, TEN_MB, Files, create_batch, photos_of, post_batch, until_ended
from tests.e2e.test_refusals import BROKEN, NOT_AN_IMAGE, count_traces, list_originals
from tests.gateway.harness import People
from tests.gateway.multipart_bodies import a_part
from tests.gateway.test_access import USED_UP

TOO_MANY = {"images": ["The images may not have more than 20 items."]}


@pytest.fixture(scope="module")
async def mia(stack: Stack) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a client of a user whose quota only these tests use."""
    person = await People(stack).new("professional")
    async with client_of(stack, person.token) as client:
        yield client


@pytest.mark.parametrize(
    ("files", "fields", "wrong"),
    [
        ([], {}, {"images": ["The images field is required."]}),
        (photos_of(21), {}, TOO_MANY),
        ([*photos_of(1), ("b.jpg", b"a text")], {}, {"images.1": [NOT_AN_IMAGE]}),
        ([("a.jpg", PHOTO[:-9]), *photos_of(1)], {}, {"images.0": [BROKEN]}),
        (
            [("a", b"text"), *photos_of(1), ("c", b"text")],
            {},
            {"images.0": [NOT_AN_IMAGE], "images.2": [NOT_AN_IMAGE]},
        ),
        (
            [*photos_of(2), ("large.jpg", b"\xff" * (TEN_MB + 1))],
            {},
            {"images.2": ["The image may not be greater than 10 MB."]},
        ),
        (photos_of(2), {"scale_factor": 5}, {"scale_factor": ["The scale factor must be between 2 and 4."]}),
        (photos_of(2), {"scale_factor": "2.0"}, {"scale_factor": ["The scale factor must be an integer."]}),
        (photos_of(2), {"name": "x" * 256}, {"name": ["The name may not be greater than 255 characters."]}),
    ],
)
async def test_one_fault_refuses_the_whole_batch_and_leaves_nothing(
    stack: Stack, mia: httpx2.AsyncClient, files: Files, fields: dict[str, Any], wrong: dict[str, list[str]]
) -> None:
    before, originals = await count_traces(stack, mia), await list_originals(stack)

    answer = await post_batch(mia, files, **(fields or {"other": "x"}))

    body = answer.json()
    assert (answer.status_code, body["message"], body["code"]) == (
        422,
        "Validation failed",
        "validation_failed",
    )
    assert body["errors"] == wrong
    assert await count_traces(stack, mia) == before
    assert not await list_originals(stack) - originals


async def test_a_body_over_the_cap_is_not_read(stack: Stack, mia: httpx2.AsyncClient) -> None:
    host, _, port = stack.api.removeprefix("http://").partition(":")
    head = (
        f"POST /api/batches HTTP/1.1\r\nHost: {host}\r\nAuthorization: {mia.headers['authorization']}\r\n"
        f"Content-Type: multipart/form-data; boundary=here\r\nContent-Length: {(211 << 20) + 1}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))

    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.readuntil(b"body_too_large"), timeout=10)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")


async def read_keys(stack: Stack) -> set[str]:
    store = stack.stores.s3.client("images")
    found = await asyncio.to_thread(lambda: list(store.list_objects(stack.stores.s3.bucket, recursive=True)))
    return {str(one.object_name) for one in found}


async def test_a_client_that_hangs_up_between_two_files_leaves_nothing(
    stack: Stack, mia: httpx2.AsyncClient
) -> None:
    reserved, before = await count_used_images(mia), await read_keys(stack)
    batches = (await mia.get("/api/batches")).json()["meta"]["total"]
    host, _, port = stack.api.removeprefix("http://").partition(":")
    head = (
        f"POST /api/batches HTTP/1.1\r\nHost: {host}\r\nAuthorization: {mia.headers['authorization']}\r\n"
        "Content-Type: multipart/form-data; boundary=here\r\nContent-Length: 100000\r\n\r\n"
    )
    _, writer = await asyncio.open_connection(host, int(port))

    writer.write(head.encode() + a_part("images[]", PHOTO, "a.jpg") + a_part("images[]", PHOTO, "b.jpg")[:-9])
    async with asyncio.timeout(20):
        while not (new := await read_keys(stack) - before):
            await asyncio.sleep(0.02)
    writer.close()
    async with asyncio.timeout(20):
        while new & await read_keys(stack):
            await asyncio.sleep(0.02)

    assert len(new) == 1
    assert await count_used_images(mia) == reserved
    assert (await mia.get("/api/batches")).json()["meta"]["total"] == batches


async def test_more_images_than_the_quota_has_left_are_refused_together(stack: Stack) -> None:
    people = People(stack)
    person = await people.new("professional")
    await people.execute_sql("billing", USED_UP, person.id, 248)
    async with client_of(stack, person.token) as client:
        before, originals = await count_traces(stack, client), await list_originals(stack)

        refused = await post_batch(client, photos_of(3))
        after, new = await count_traces(stack, client), await list_originals(stack) - originals
        fitting = await post_batch(client, photos_of(2))
        none_left = await client.post("/api/batches", content=b"not even multipart")

    assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
    assert refused.headers["x-ratelimit-remaining"] == "2"
    assert (after, new) == (before, set())
    assert (fitting.status_code, fitting.headers["x-ratelimit-remaining"]) == (202, "0")
    assert (none_left.status_code, none_left.json()["code"]) == (403, "quota_exceeded")


async def test_another_users_batch_is_not_found(mia: httpx2.AsyncClient, omar: httpx2.AsyncClient) -> None:
    accepted = await create_batch(mia, photos_of(1))

    fetched = await omar.get(f"/api/batches/{accepted['id']}")
    deleted = await omar.delete(f"/api/batches/{accepted['id']}")
    listed = await omar.get("/api/batches", params={"per_page": 100})

    for answer in (fetched, deleted):
        assert (answer.status_code, answer.json()["code"]) == (404, "batch_not_found")
        assert answer.json()["message"] == "Batch not found."
    assert accepted["id"] not in [one["id"] for one in listed.json()["data"]]
    assert (await until_ended(mia, accepted["id"]))["status"] == "completed"
