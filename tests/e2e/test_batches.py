"""Batches: all images of a request are accepted or none.

Each is processed by itself, and the batch counts them.
"""

import asyncio
import io
import struct
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from loupe_local.stack import Stack
from tests.bench.measure import growth_mib
from tests.client import client_of, count_used_images, get_image, pause_worker, wait_until_used
from tests.contract.api_client import until_deleted
from tests.e2e.batching import TEN_MB, create_batch, photos_of, post_batch, read_batch, until_ended
from tests.e2e.test_faults import a_large_photo
from tests.gateway.harness import People
from tests.pixels import encoded, opened


@pytest.fixture(scope="module")
async def mia(stack: Stack) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a client of a user whose quota only these tests use."""
    person = await People(stack).new("professional")
    async with client_of(stack, person.token) as client:
        yield client


@pytest.fixture
async def no_worker(stack: Stack) -> AsyncGenerator[None]:
    """Stop the worker during the test: no image starts."""
    await stack.stores.supervisor.stop("inference")
    yield
    await stack.stores.supervisor.restart("inference")


async def test_three_images_become_a_completed_batch(mia: httpx2.AsyncClient) -> None:
    before = await count_used_images(mia)

    answer = await post_batch(mia, photos_of(3), scale_factor=3, name="Product photos")
    accepted = answer.json()["data"]
    ended = await until_ended(mia, accepted["id"])

    assert (answer.status_code, answer.json()["message"]) == (
        202,
        "Batch created and images queued for processing",
    )
    assert answer.headers["x-ratelimit-remaining"] == str(250 - before - 3)
    assert [accepted[key] for key in ("name", "status", "total_images", "progress", "completed_at")] == [
        "Product photos",
        "pending",
        3,
        0,
        None,
    ]
    assert [one["original_filename"] for one in accepted["images"]] == [name for name, _ in photos_of(3)]
    assert {one["batch_id"] for one in accepted["images"]} == {accepted["id"]}
    assert [ended[key] for key in ("status", "completed_images", "failed_images", "progress")] == [
        "completed",
        3,
        0,
        100,
    ]
    assert [one["id"] for one in ended["images"]] == [one["id"] for one in accepted["images"]]
    assert ended["created_at"] < ended["completed_at"]
    assert await count_used_images(mia) == before + 3


async def test_each_image_of_a_batch_is_an_image_like_any_other(mia: httpx2.AsyncClient) -> None:
    accepted = await create_batch(mia, photos_of(2))
    ended = await until_ended(mia, accepted["id"])

    first = await get_image(mia, ended["images"][0]["id"])
    async with httpx2.AsyncClient() as anyone:
        result = await anyone.get(ended["images"][1]["download_url"])

    assert list(first)[-1] == "batch_id"
    assert list(ended["images"][0])[:2] == ["id", "batch_id"]
    links = {"download_url", "download_expires_at"}  # each answer has new links
    assert {key: first[key] for key in first.keys() - links} == {
        key: ended["images"][0][key] for key in ended["images"][0].keys() - links
    }
    assert opened(result.content).size == (48, 32)


@pytest.mark.parametrize("field", ["images[]", "images", "images[{}]"])
async def test_all_three_names_of_the_field_are_accepted(mia: httpx2.AsyncClient, field: str) -> None:
    answer = await post_batch(mia, photos_of(2), field, target_width=30)

    data = answer.json()["data"]
    assert (data["total_images"], data["name"]) == (2, None)
    assert (data["scale_factor"], data["target_width"], data["target_height"]) == (None, 30, None)
    ended = await until_ended(mia, data["id"])
    assert {one["upscaled_dimensions"] for one in ended["images"]} == {"30x20"}


async def test_a_pending_batch_can_be_cancelled_and_costs_nothing(
    mia: httpx2.AsyncClient, no_worker: None
) -> None:
    before = await count_used_images(mia)
    accepted = await create_batch(mia, photos_of(3))

    answer = await mia.delete(f"/api/batches/{accepted['id']}")
    found = await read_batch(mia, accepted["id"])
    again = await mia.delete(f"/api/batches/{accepted['id']}")
    after = await mia.get(f"/api/batches/{accepted['id']}")

    assert (answer.status_code, answer.json()["message"]) == (200, "Batch cancelled successfully")
    assert [found[key] for key in ("status", "completed_images", "failed_images", "progress")] == [
        "cancelled",
        0,
        3,
        100,
    ]
    assert found["completed_at"]
    assert {(one["status"], one["error"]["code"]) for one in found["images"]} == {("failed", "cancelled")}
    assert again.json()["message"] == "Batch deleted successfully"
    assert (after.status_code, after.json()["code"]) == (404, "batch_not_found")
    await wait_until_used(mia, before)


async def test_images_that_finished_before_a_batch_was_cancelled_stay(
    stack: Stack, mia: httpx2.AsyncClient, photos: Path
) -> None:
    before = await count_used_images(mia)
    large = [(f"large{number}.jpg", a_large_photo(photos)) for number in range(6)]
    accepted = await create_batch(mia, [*photos_of(1), *large], scale_factor=4)
    while not (await read_batch(mia, accepted["id"]))["completed_images"]:
        await asyncio.sleep(0.05)

    with pause_worker(stack):
        await mia.delete(f"/api/batches/{accepted['id']}")
    found = await read_batch(mia, accepted["id"])

    completed = [one for one in found["images"] if one["status"] == "completed"]
    failed = [one for one in found["images"] if one["status"] == "failed"]
    assert (found["status"], found["progress"]) == ("cancelled", 100)
    assert found["completed_images"] == len(completed) > 0
    assert found["failed_images"] == len(failed) == 7 - found["completed_images"] > 0
    assert all(one["download_url"] for one in completed)
    assert {one["error"]["code"] for one in failed} == {"cancelled"}
    await wait_until_used(mia, before + found["completed_images"])


async def test_an_undecodable_image_fails_and_the_others_complete(
    mia: httpx2.AsyncClient, photos: Path
) -> None:
    before, out = await count_used_images(mia), io.BytesIO()
    Image.open(photos / "chelsea.png").convert("RGB").resize((64, 64)).save(
        out, "TIFF", compression="tiff_lzw"
    )
    broken = bytearray(out.getvalue())
    broken[8:400] = b"\xff" * 392

    accepted = await create_batch(mia, [*photos_of(1), ("broken.tif", bytes(broken))])
    ended = await until_ended(mia, accepted["id"])

    assert [ended[key] for key in ("status", "completed_images", "failed_images", "progress")] == [
        "partially_failed",
        1,
        1,
        100,
    ]
    assert ended["images"][1]["error"]["code"] == "undecodable"
    await wait_until_used(mia, before + 1)


async def test_deleting_a_finished_batch_removes_its_images_and_their_objects(
    stack: Stack, mia: httpx2.AsyncClient
) -> None:
    accepted = await create_batch(mia, photos_of(2))
    ended = await until_ended(mia, accepted["id"])
    before = await count_used_images(mia)

    answer = await mia.delete(f"/api/batches/{accepted['id']}")

    assert (answer.status_code, answer.json()["message"]) == (200, "Batch deleted successfully")
    for one in ended["images"]:
        assert (await mia.get(f"/api/images/{one['id']}")).status_code == 404
        await until_deleted(stack, one["original_path"])
        await until_deleted(stack, one["upscaled_path"])
    assert (await mia.delete(f"/api/batches/{accepted['id']}")).status_code == 404
    assert await count_used_images(mia) == before


async def test_a_batch_still_counts_an_image_that_was_deleted_from_it(mia: httpx2.AsyncClient) -> None:
    accepted = await create_batch(mia, photos_of(3))
    ended = await until_ended(mia, accepted["id"])

    await mia.delete(f"/api/images/{ended['images'][1]['id']}")
    found = await read_batch(mia, accepted["id"])

    assert [one["id"] for one in found["images"]] == [ended["images"][index]["id"] for index in (0, 2)]
    assert (found["total_images"], found["completed_images"], found["progress"]) == (3, 3, 100)


async def test_batches_are_listed_newest_first_in_pages(stack: Stack) -> None:
    person = await People(stack).new("professional")
    async with client_of(stack, person.token) as client:
        ids = [
            (await create_batch(client, photos_of(1), name=f"Batch {number}"))["id"] for number in range(3)
        ]
        for batch_id in ids:
            await until_ended(client, batch_id)

        first = (await client.get("/api/batches", params={"per_page": 2, "status": "completed"})).json()
        second = (await client.get(first["links"]["next"])).json()
        none = (await client.get("/api/batches", params={"status": "cancelled"})).json()
        one = await read_batch(client, ids[0])

    assert first["message"] == "Batches retrieved successfully"
    assert [each["id"] for each in first["data"] + second["data"]] == ids[::-1]
    assert first["meta"] == {"current_page": 1, "last_page": 2, "per_page": 2, "total": 3}
    assert (second["links"]["next"], second["meta"]["current_page"]) == (None, 2)
    assert (none["data"], none["meta"]["total"]) == ([], 0)
    assert list(second["data"][0]) == list(one)


def png_of_ten_megabytes() -> bytes:
    """Return a PNG of the largest allowed size with 2 x 2 pixels. The rest is a chunk that decoders skip."""
    data = encoded(Image.new("RGB", (2, 2)), "PNG")
    padding = bytes(TEN_MB - len(data) - 12)
    chunk = struct.pack(">I", len(padding)) + b"loUp" + padding
    checksum = struct.pack(">I", zlib.crc32(chunk[4:]))
    return data[:33] + chunk + checksum + data[33:]


async def test_twenty_files_of_ten_megabytes_are_streamed_through_the_gateway(
    stack: Stack, mia: httpx2.AsyncClient
) -> None:
    data = png_of_ten_megabytes()
    files = [(f"{number}.png", data) for number in range(20)]
    await until_ended(mia, (await create_batch(mia, files[:1]))["id"])

    posting = asyncio.create_task(create_batch(mia, files))
    growth = await growth_mib(stack.stores.supervisor.pid("gateway"), posting)
    accepted = await posting
    ended = await until_ended(mia, accepted["id"])

    assert len(data) == TEN_MB
    assert growth < 32
    assert (ended["status"], ended["completed_images"]) == ("completed", 20)
    assert {one["original_size_human"] for one in ended["images"]} == {"10 MB"}
