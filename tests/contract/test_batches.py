"""Batches, line by line. test_lists.py tests their list."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from loupe_local.stack import Stack
from tests.client import client_of, count_used_images, pause_worker, wait_until_used
from tests.contract.api_client import CORRUPT, SMALL, a_batch, data_of, invalid_fields, refusal, until_deleted
from tests.contract.shapes import ACCEPTED_BATCH, BATCH, IMAGE
from tests.gateway.harness import People
from tests.pixels import encoded
from tests.texts import NOT_AN_IMAGE

QUEUED = "Batch created and images queued for processing"
BROKEN = "The image is corrupt or incomplete."
UNFINISHED = ("pending", "processing")


async def batch_of(client: httpx2.AsyncClient, batch_id: int) -> dict[str, Any]:
    return data_of(await client.get(f"/api/batches/{batch_id}"), "Batch retrieved successfully", BATCH)


async def until_ended(client: httpx2.AsyncClient, batch_id: int) -> list[dict[str, Any]]:
    """Poll until the batch has ended. Return all answers."""
    deadline, answers = time.monotonic() + 90, [await batch_of(client, batch_id)]
    while answers[-1]["status"] in UNFINISHED:
        assert time.monotonic() < deadline, answers[-1]
        await asyncio.sleep(0.03)
        answers.append(await batch_of(client, batch_id))
    return answers


async def test_a_batch_is_accepted_with_its_images_in_order(jane: httpx2.AsyncClient) -> None:
    batch = data_of(await a_batch(jane, SMALL, SMALL, name="Product photos"), QUEUED, ACCEPTED_BATCH, 202)

    assert (batch["name"], batch["status"], batch["progress"]) == ("Product photos", "pending", 0)
    assert [batch[name] for name in ("total_images", "completed_images", "failed_images")] == [2, 0, 0]
    assert (batch["scale_factor"], batch["completed_at"]) == (2, None)
    assert [image["original_filename"] for image in batch["images"]] == ["photo1.jpg", "photo2.jpg"]
    assert {image["batch_id"] for image in batch["images"]} == {batch["id"]}


@pytest.mark.parametrize("names", [["images[]"] * 3, ["images"] * 3, ["images[0]", "images[1]", "images[2]"]])
async def test_files_keep_their_order_with_all_three_field_names(
    jane: httpx2.AsyncClient, names: list[str]
) -> None:
    files = [(name, (f"{number}.jpg", SMALL)) for number, name in enumerate(names)]

    batch = data_of(await jane.post("/api/batches", files=files), QUEUED, ACCEPTED_BATCH, 202)

    assert [image["original_filename"] for image in batch["images"]] == ["0.jpg", "1.jpg", "2.jpg"]


@pytest.mark.parametrize(
    ("files", "fields", "wrong"),
    [
        pytest.param([], {}, {"images": ["The images field is required."]}, id="none"),
        pytest.param(
            [SMALL] * 21, {}, {"images": ["The images may not have more than 20 items."]}, id="twenty-one"
        ),
        pytest.param([b"x", SMALL, SMALL[:-200]], {}, None, id="bad files"),
        pytest.param(
            [SMALL],
            {"scale_factor": 5},
            {"scale_factor": ["The scale factor must be between 2 and 4."]},
            id="scale factor",
        ),
        pytest.param(
            [SMALL],
            {"scale_factor": 2, "target_width": 48},
            {
                "scale_factor": ["The scale factor cannot be used with target width or target height."],
                "target_width": ["The target width cannot be used with scale factor."],
            },
            id="both",
        ),
        pytest.param(
            [SMALL],
            {"name": "x" * 256},
            {"name": ["The name may not be greater than 255 characters."]},
            id="name",
        ),
    ],
)
async def test_one_error_refuses_the_whole_batch_and_stores_nothing(
    stack: Stack,
    people: People,
    files: list[bytes],
    fields: dict[str, Any],
    wrong: dict[str, list[str]] | None,
) -> None:
    person = await people.new("professional")

    async with client_of(stack, person.token) as client:
        answer = await a_batch(client, *files, **({"scale_factor": 2} | fields))
        counted = await count_used_images(client)
        totals = [
            (await client.get(f"/api/{noun}")).json()["meta"]["total"] for noun in ("images", "batches")
        ]

    assert invalid_fields(answer) == (wrong or {"images.0": [NOT_AN_IMAGE], "images.2": [BROKEN]})
    assert (counted, totals) == (0, [0, 0])


async def test_twenty_files_are_accepted(stack: Stack, people: People) -> None:
    person = await people.new("professional")

    async with client_of(stack, person.token) as client:
        batch = data_of(await a_batch(client, *[SMALL] * 20), QUEUED, ACCEPTED_BATCH, 202)
        counted = await count_used_images(client)
        await client.delete(f"/api/batches/{batch['id']}")

    assert (batch["total_images"], counted) == (20, 20)


async def test_more_files_than_quota_left_refuse_the_whole_batch(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    await people.operator.set_quota(person.email, 2)

    async with client_of(stack, person.token) as client:
        over = await a_batch(client, SMALL, SMALL, SMALL)
        counted = await count_used_images(client)
        exact = await a_batch(client, SMALL, SMALL)

    assert refusal(over)[:2] == (403, "quota_exceeded")
    assert counted == 0
    assert (exact.status_code, exact.headers["x-ratelimit-remaining"]) == (202, "0")


@pytest.mark.parametrize(
    ("files", "status", "counters"),
    [
        ([SMALL, SMALL], "completed", (2, 0)),
        ([SMALL, CORRUPT], "partially_failed", (1, 1)),
        ([CORRUPT, CORRUPT], "failed", (0, 2)),
    ],
)
async def test_a_batch_ends_with_the_status_of_its_images(
    jane: httpx2.AsyncClient, files: list[bytes], status: str, counters: tuple[int, int]
) -> None:
    batch_id = (await a_batch(jane, *files)).json()["data"]["id"]

    batch = (await until_ended(jane, batch_id))[-1]

    assert (batch["status"], batch["progress"]) == (status, 100)
    assert (batch["completed_images"], batch["failed_images"]) == counters
    assert batch["completed_at"] is not None
    assert [bool(image["download_url"]) for image in batch["images"]] == [file == SMALL for file in files]


async def test_progress_is_the_share_of_ended_images_rounded_down(
    jane: httpx2.AsyncClient, photos: Path
) -> None:
    photo = encoded(Image.open(photos / "coffee.png").convert("RGB").resize((200, 140)))
    batch_id = (await a_batch(jane, photo, photo, photo, scale_factor=4)).json()["data"]["id"]

    answers = await until_ended(jane, batch_id)

    assert {"processing", "completed"} <= {batch["status"] for batch in answers}
    for batch in answers:
        ended = batch["completed_images"] + batch["failed_images"]
        assert batch["progress"] == 100 * ended // 3
        assert (batch["completed_at"] is None) == (ended < 3)


async def test_an_unfinished_batch_is_cancelled_and_then_deleted(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        with pause_worker(stack):
            made = (await a_batch(client, SMALL, SMALL)).json()["data"]
            path = f"/api/batches/{made['id']}"
            pending = await batch_of(client, made["id"])
            cancelled = await client.delete(path)
            batch = await batch_of(client, made["id"])
            await wait_until_used(client, 0)
        later = await batch_of(client, made["id"])
        deleted = await client.delete(path)
        after = await client.get(path)

    assert (pending["status"], pending["progress"]) == ("pending", 0)
    data_of(cancelled, "Batch cancelled successfully")
    assert (batch["status"], batch["failed_images"], batch["progress"]) == ("cancelled", 2, 100)
    assert batch["completed_at"] is not None
    assert {(image["status"], image["error"]["code"]) for image in batch["images"]} == {
        ("failed", "cancelled")
    }
    assert later["status"] == "cancelled"
    data_of(deleted, "Batch deleted successfully")
    assert refusal(after)[:2] == (404, "batch_not_found")


async def test_deleting_a_batch_deletes_its_images_and_objects(
    stack: Stack, jane: httpx2.AsyncClient
) -> None:
    batch_id = (await a_batch(jane, SMALL, SMALL)).json()["data"]["id"]
    batch = (await until_ended(jane, batch_id))[-1]

    answer = await jane.delete(f"/api/batches/{batch_id}")
    images = [await jane.get(f"/api/images/{image['id']}") for image in batch["images"]]

    data_of(answer, "Batch deleted successfully")
    assert {refusal(image)[:2] for image in images} == {(404, "image_not_found")}
    await until_deleted(stack, *(image["upscaled_path"] for image in batch["images"]))


async def test_deleting_an_image_does_not_change_the_counters_of_its_batch(jane: httpx2.AsyncClient) -> None:
    batch_id = (await a_batch(jane, SMALL, SMALL)).json()["data"]["id"]
    before = (await until_ended(jane, batch_id))[-1]

    answer = await jane.delete(f"/api/images/{before['images'][0]['id']}")
    after = await batch_of(jane, batch_id)

    data_of(answer, "Image deleted successfully")
    counters = ("status", "total_images", "completed_images", "failed_images", "progress")
    assert [after[name] for name in counters] == [before[name] for name in counters]
    assert [image["id"] for image in after["images"]] == [before["images"][1]["id"]]


async def test_a_target_size_applies_to_each_image(jane: httpx2.AsyncClient) -> None:
    answer = await a_batch(jane, SMALL, SMALL, target_width=60)
    batch = (await until_ended(jane, answer.json()["data"]["id"]))[-1]

    assert (batch["scale_factor"], batch["target_width"], batch["target_height"]) == (None, 60, None)
    assert {image["upscaled_dimensions"] for image in batch["images"]} == {"60x40"}


async def test_an_image_of_a_batch_can_be_fetched_alone(jane: httpx2.AsyncClient) -> None:
    batch = (await a_batch(jane, SMALL)).json()["data"]

    answer = await jane.get(f"/api/images/{batch['images'][0]['id']}")

    assert data_of(answer, "Image retrieved successfully", IMAGE)["batch_id"] == batch["id"]
