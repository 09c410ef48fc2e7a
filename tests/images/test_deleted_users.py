"""Deleting an account deletes all its images and batches, and later uploads are refused."""

import asyncio

import pytest

from common import errors
from images.domain import jobs
from images.domain.deleted_users import IMAGES_PER_TRANSACTION
from images.events import Results, Users
from images.tables import Status
from loupe.auth.v1 import auth_pb2
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import (
    RULES,
    Harness,
    build_image,
    insert_batch,
    insert_image,
    list_keys,
    read_events,
)
from tests.images.store_proxies import BlockingProxy
from tests.images.test_batch_uploads import send_batch
from tests.images.test_uploads import PHOTO, build_upload
from tests.images.upload_traces import nothing_is_left, query_value, set_plan

JANE, OMAR = 1, 2
ROWS_OF_JANE = """
    SELECT (SELECT count(*) FROM image WHERE user_id = 1) + (SELECT count(*) FROM batch WHERE user_id = 1)
        + (SELECT count(*) FROM image_block WHERE user_id = 1)
"""


async def delete_account(harness: Harness, user_id: int = JANE) -> None:
    await Users(harness.sessions).delete_data(auth_pb2.UserDeleted(user_id=user_id).SerializeToString())


async def read_payloads(harness: Harness, subject: str) -> list[bytes]:
    return [payload for found, payload in await read_events(harness.sessions) if found == subject]


async def test_images_batches_and_objects_are_deleted_and_unfinished_work_is_cancelled(
    harness: Harness,
) -> None:
    _, in_batch = await insert_batch(harness.sessions, 2)
    done = await insert_image(harness.sessions, status=Status.COMPLETED)
    failed = await insert_image(harness.sessions, status=Status.FAILED)

    await delete_account(harness)

    assert await query_value(harness.sessions, ROWS_OF_JANE) == 0
    cancelled = [
        pb.ImageEnded.FromString(payload) for payload in await read_payloads(harness, "images.cancelled")
    ]
    assert {each.reservation_id for each in cancelled} == {str(image.reservation_id) for image in in_batch}
    [dropped] = await read_payloads(harness, "images.objects_dropped")
    assert sorted(pb.ObjectsDropped.FromString(dropped).keys) == sorted(
        jobs.object_keys([*in_batch, done, failed])
    )


async def test_other_users_keep_their_images(harness: Harness) -> None:
    batch, images = await insert_batch(harness.sessions, 2, user_id=OMAR)
    await insert_image(harness.sessions, JANE)

    await delete_account(harness, JANE)

    found = (await harness.user(OMAR).GetBatch(pb.GetBatchRequest(id=batch.id or 0))).batch
    assert [image.id for image in found.images] == [image.id for image in images]
    assert found.status == pb.BATCH_STATUS_PENDING


async def test_many_images_are_deleted_in_slices(harness: Harness) -> None:
    images = [build_image() for _ in range(2 * IMAGES_PER_TRANSACTION + 7)]
    async with harness.sessions.begin() as session:
        session.add_all(images)

    await delete_account(harness)

    slices = [
        pb.ObjectsDropped.FromString(each).keys
        for each in await read_payloads(harness, "images.objects_dropped")
    ]
    assert [len(each) for each in slices] == [2 * IMAGES_PER_TRANSACTION, 2 * IMAGES_PER_TRANSACTION, 14]
    assert [key for each in slices for key in each] == jobs.object_keys(images)
    assert await query_value(harness.sessions, ROWS_OF_JANE) == 0


async def test_a_repeated_event_changes_nothing(harness: Harness) -> None:
    await insert_image(harness.sessions)
    await delete_account(harness)
    before = await read_events(harness.sessions)

    await asyncio.gather(*(delete_account(harness) for _ in range(3)))

    assert await read_events(harness.sessions) == before
    assert await query_value(harness.sessions, "SELECT count(*) FROM former_user") == 1


async def test_objects_are_deleted_from_the_store(harness: Harness) -> None:
    await harness.uploads().accept(JANE, build_upload())

    await delete_account(harness)
    for payload in await read_payloads(harness, "images.objects_dropped"):
        await Results(harness.sessions, harness.blobs, RULES).delete_objects(payload)

    assert await list_keys(harness) == []


async def test_an_upload_under_way_while_the_account_is_deleted_leaves_nothing(
    harness: Harness,
) -> None:
    async with BlockingProxy(harness.settings.s3_endpoint.removeprefix("http://")) as proxy:
        slow = harness.uploads(blobs=harness.blobs_at(proxy.address))
        accepting = asyncio.create_task(slow.accept(JANE, build_upload()))
        await asyncio.wait_for(proxy.request_arrived.wait(), 10)

        await delete_account(harness)
        proxy.released.set()
        with pytest.raises(errors.Unauthenticated) as caught:
            await accepting

    assert caught.value.reason == "unauthenticated"
    assert await nothing_is_left(harness)


async def test_a_batch_after_the_account_was_deleted_leaves_nothing(harness: Harness) -> None:
    await set_plan(harness, "professional", JANE)
    await delete_account(harness)

    with pytest.raises(errors.Unauthenticated):
        await harness.batch_uploads().accept(JANE, send_batch(PHOTO, PHOTO))

    assert await nothing_is_left(harness)


async def test_uploads_concurrent_with_the_deletion_are_deleted_or_refused(harness: Harness) -> None:
    await set_plan(harness, "professional", JANE)
    uploads = [harness.uploads().accept(JANE, build_upload()) for _ in range(6)]

    results = await asyncio.gather(*uploads, delete_account(harness), return_exceptions=True)

    assert {type(each) for each in results} <= {tuple, type(None), errors.Unauthenticated}
    assert await query_value(harness.sessions, ROWS_OF_JANE) == 0
