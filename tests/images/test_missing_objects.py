"""Images whose object is missing are listed, and fail only if an operator marks them."""

import asyncio
from dataclasses import replace

import pytest
import urllib3.exceptions
from minio.error import S3Error

from common import errors
from common.blobs import Blobs
from images.domain import batches, missing_objects
from images.operations.missing_objects import MissingObjects
from images.tables import BatchStatus, Image, Status
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import (
    RULES,
    Harness,
    build_image,
    insert_batch,
    insert_image,
    read_events,
    read_image,
)
from tests.images.test_batches import complete
from tests.images.test_images_rpc import send_upload

JANE = 1


async def check(harness: Harness, after_id: int = 0, *, mark: bool = False) -> pb.CheckObjectsResponse:
    request = pb.CheckObjectsRequest(after_id=after_id, mark=mark)
    return await harness.service("operator").CheckObjects(request, timeout=60)


async def store_objects(harness: Harness, *object_keys: str) -> None:
    for key in object_keys:
        await harness.blobs.put(key, b"x", "image/png")


async def insert_image_without(harness: Harness, status: Status, *, lacks: str) -> Image:
    """Insert an image and store its objects, except the one that `lacks` names."""
    image = await insert_image(harness.sessions, status=status)
    await store_objects(harness, *({image.original_path, image.upscaled_path} - {getattr(image, lacks)}))
    return image


@pytest.mark.parametrize(
    ("status", "lacks"),
    [
        (Status.PENDING, "original_path"),
        (Status.PROCESSING, "original_path"),
        (Status.COMPLETED, "upscaled_path"),
    ],
)
async def test_an_image_without_the_object_that_it_needs_is_listed_and_unchanged(
    harness: Harness, status: Status, lacks: str
) -> None:
    await insert_image(harness.sessions, status=Status.FAILED)
    image = await insert_image_without(harness, status, lacks=lacks)

    answer = await check(harness)

    [found] = answer.images
    assert (found.image_id, found.user_id, found.key) == (image.id, JANE, getattr(image, lacks))
    assert found.status == getattr(pb, f"STATUS_{status.name}")
    assert (answer.checked, answer.next_after_id) == (1, 0)
    assert (await read_image(harness.sessions, image.id)).status == status
    assert await read_events(harness.sessions) == []


@pytest.mark.parametrize(
    ("status", "lacks"),
    [
        (Status.PENDING, "upscaled_path"),
        (Status.COMPLETED, "original_path"),
        (Status.FAILED, "original_path"),
        (Status.FAILED, "upscaled_path"),
    ],
)
async def test_an_object_that_is_not_needed_now_is_not_reported(
    harness: Harness, status: Status, lacks: str
) -> None:
    image = await insert_image_without(harness, status, lacks=lacks)

    answer = await check(harness, mark=True)

    assert list(answer.images) == []
    assert (await read_image(harness.sessions, image.id)).status == status


async def test_marking_fails_a_pending_image_and_releases_its_place(harness: Harness) -> None:
    accepted = (await harness.user(JANE).Upscale(send_upload())).image
    await harness.blobs.delete([accepted.original_path])

    [found] = (await check(harness, mark=True)).images

    failed = await read_image(harness.sessions, accepted.id)
    assert found.image_id == accepted.id
    assert (failed.status, failed.failure_code, failed.failure_retryable) == (
        Status.FAILED,
        "object_lost",
        True,
    )
    assert [subject for subject, _ in await read_events(harness.sessions)][-1] == "images.failed"
    event = pb.ImageEnded.FromString((await read_events(harness.sessions))[-1][1])
    assert event.reservation_id == str(failed.reservation_id)


async def test_marking_fails_a_completed_image_and_its_download_says_so(harness: Harness) -> None:
    image = await insert_image_without(harness, Status.COMPLETED, lacks="upscaled_path")

    await check(harness, mark=True)

    with pytest.raises(errors.FailedPrecondition) as caught:
        await harness.user(JANE).GetDownload(pb.GetDownloadRequest(id=image.id or 0))
    found = (await harness.user(JANE).GetImage(pb.GetImageRequest(id=image.id or 0))).image
    assert caught.value.reason == "image_failed"
    assert (found.failure.code, found.failure.message) == (
        "object_lost",
        "The image's file is no longer stored.",
    )
    assert list((await check(harness)).images) == []


async def test_a_batch_counts_a_marked_image_as_failed(harness: Harness) -> None:
    batch, images = await insert_batch(harness.sessions, 2, total_images=2)
    for image in images:
        await store_objects(harness, image.original_path)
        await complete(harness.sessions, image)
    await store_objects(harness, images[0].upscaled_path)

    await check(harness, mark=True)

    async with harness.sessions.begin() as session:
        found, _ = await batches.get(session, JANE, batch.id or 0)
    assert (found.status, found.completed_images, found.failed_images) == (BatchStatus.PARTIALLY_FAILED, 1, 1)


async def test_a_page_says_where_to_continue(harness: Harness) -> None:
    async with harness.sessions.begin() as session:
        session.add_all(images := [build_image() for _ in range(missing_objects.IMAGES_PER_PAGE + 1)])

    first = await check(harness)
    last = await check(harness, first.next_after_id)

    ids = sorted(image.id or 0 for image in images)
    assert [found.image_id for found in first.images] == ids[:-1]
    assert [found.image_id for found in last.images] == ids[-1:]
    assert [page.checked for page in (first, last)] == [missing_objects.IMAGES_PER_PAGE, 1]
    assert (first.next_after_id, last.next_after_id) == (ids[-2], 0)


async def test_concurrent_marking_fails_an_image_once(harness: Harness) -> None:
    await insert_image(harness.sessions)

    await asyncio.gather(check(harness, mark=True), check(harness, mark=True))

    assert [subject for subject, _ in await read_events(harness.sessions)] == ["images.failed"]


@pytest.mark.parametrize("end", ["completed", "deleted"])
async def test_an_image_that_ended_meanwhile_is_not_marked(harness: Harness, end: str) -> None:
    image = await insert_image(harness.sessions)
    if end == "completed":
        await complete(harness.sessions, image)
    else:
        await harness.user(JANE).DeleteImage(pb.DeleteImageRequest(id=image.id or 0))
    before = await read_events(harness.sessions)

    async with harness.sessions.begin() as session:
        await missing_objects.mark_failed(session, image.id or 0, {image.original_path}, RULES)

    assert await read_events(harness.sessions) == before


@pytest.mark.parametrize(
    "settings",
    [{"s3_endpoint": "http://127.0.0.1:1"}, {"s3_bucket": "elsewhere"}],
    ids=["unreachable", "no bucket"],
)
async def test_no_image_fails_if_the_store_cannot_be_read(harness: Harness, settings: dict[str, str]) -> None:
    image = await insert_image(harness.sessions)
    blobs = Blobs(harness.settings.model_copy(update=settings).store())

    with pytest.raises((urllib3.exceptions.HTTPError, LookupError, S3Error)):
        await MissingObjects(replace(harness.context, blobs=blobs)).check(0, mark=True)

    assert (await read_image(harness.sessions, image.id)).status == Status.PENDING
