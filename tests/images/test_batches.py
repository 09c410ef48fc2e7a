"""The progress and the outcome of a batch. Each image counts once, whatever happens to it."""

import asyncio
import random

import pytest

from common import errors
from common.db import Sessions
from images.domain import batches, jobs, library
from images.tables import Batch, BatchStatus, Image, Status
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES, Harness, insert_batch, insert_image, read_events, read_image

JANE, OMAR = 1, 2


async def start(sessions: Sessions, image: Image) -> None:
    async with sessions.begin() as session:
        await jobs.start(session, image.id or 0, RULES)


async def finish(sessions: Sessions, image: Image, *, failure: str = "") -> None:
    event = inference_pb2.Finished(image_id=image.id or 0, fence=1)
    if failure:
        event.failure.CopyFrom(inference_pb2.Failure(code=failure, message="No."))
    else:
        event.output.CopyFrom(inference_pb2.Output(bytes=321, seconds=1.5))
    async with sessions.begin() as session:
        await jobs.finish(session, event, RULES)


async def complete(sessions: Sessions, *images: Image) -> None:
    for image in images:
        await start(sessions, image)
        await finish(sessions, image)


async def fail(sessions: Sessions, *images: Image) -> None:
    for image in images:
        await start(sessions, image)
        await finish(sessions, image, failure="undecodable")


async def delete_image(sessions: Sessions, image: Image) -> None:
    async with sessions.begin() as session:
        await library.delete(session, image.user_id, image.id or 0, RULES)


async def delete(sessions: Sessions, batch: Batch, user_id: int = JANE) -> bool:
    async with sessions.begin() as session:
        return await batches.cancel_or_delete(session, user_id, batch.id or 0, RULES)


async def read_batch(sessions: Sessions, batch: Batch) -> Batch:
    async with sessions.begin() as session:
        return (await batches.get(session, batch.user_id, batch.id or 0))[0]


async def read_state(sessions: Sessions, batch: Batch) -> tuple[str, int, int, bool]:
    """Return status, completed and failed images, and whether the batch has ended."""
    found = await read_batch(sessions, batch)
    return found.status.value, found.completed_images, found.failed_images, found.completed_at is not None


async def read_subjects(sessions: Sessions, *wanted: str) -> list[str]:
    return [subject for subject, _ in await read_events(sessions) if subject in wanted]


async def test_a_batch_is_pending_until_the_first_image_starts(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 2)

    before = await read_state(sessions, batch)
    await start(sessions, images[1])

    assert before == ("pending", 0, 0, False)
    assert await read_state(sessions, batch) == ("processing", 0, 0, False)


async def test_a_batch_is_completed_when_all_images_are_completed(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 3)

    await complete(sessions, *images[:2])
    before = await read_state(sessions, batch)
    await complete(sessions, images[2])

    assert before == ("processing", 2, 0, False)
    assert await read_state(sessions, batch) == ("completed", 3, 0, True)


async def test_a_batch_is_partially_failed_when_some_images_have_failed(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 3)

    await fail(sessions, images[0])
    await complete(sessions, *images[1:])

    assert await read_state(sessions, batch) == ("partially_failed", 2, 1, True)


async def test_a_batch_is_failed_when_no_image_is_completed(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 2)

    await fail(sessions, *images)

    assert await read_state(sessions, batch) == ("failed", 0, 2, True)


async def test_an_image_without_attempts_left_counts_as_failed(sessions: Sessions) -> None:
    batch, [image] = await insert_batch(sessions, 1)
    for fence in (1, 2, 3):
        await start(sessions, image)
        async with sessions.begin() as session:
            await jobs.stop(session, image.id or 0, fence, excused=False)

    await start(sessions, image)

    assert await read_state(sessions, batch) == ("failed", 0, 1, True)


async def test_a_result_delivered_twice_counts_once(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 2)
    await start(sessions, images[0])

    await asyncio.gather(*(finish(sessions, images[0]) for _ in range(4)))

    assert await read_state(sessions, batch) == ("processing", 1, 0, False)


async def test_images_that_end_at_the_same_moment_all_count(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 6)
    for image in images:
        await start(sessions, image)

    await asyncio.gather(
        *(finish(sessions, image, failure="x" * (number % 2)) for number, image in enumerate(images))
    )

    assert await read_state(sessions, batch) == ("partially_failed", 3, 3, True)


async def test_deleting_a_finished_image_does_not_change_the_counts(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 2)
    await complete(sessions, *images)

    await delete_image(sessions, images[0])

    assert await read_state(sessions, batch) == ("completed", 2, 0, True)
    assert (await read_batch(sessions, batch)).total_images == 2


async def test_deleting_an_unfinished_image_counts_as_failed_so_that_the_batch_can_end(
    sessions: Sessions,
) -> None:
    batch, images = await insert_batch(sessions, 2)
    await complete(sessions, images[0])

    await delete_image(sessions, images[1])

    assert await read_state(sessions, batch) == ("partially_failed", 1, 1, True)
    assert await read_subjects(sessions, "images.cancelled") == ["images.cancelled"]


async def test_cancelling_fails_unfinished_images_and_releases_their_places(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 4)
    await complete(sessions, images[0])
    await start(sessions, images[1])

    is_cancelled = await delete(sessions, batch)

    assert is_cancelled is True
    assert await read_state(sessions, batch) == ("cancelled", 1, 3, True)
    for image in images[1:]:
        ended = await read_image(sessions, image.id)
        assert (ended.status, ended.failure_code) == (Status.FAILED, "cancelled")
        assert (ended.failure_message, ended.failure_retryable) == ("The image was cancelled.", True)
    assert (await read_image(sessions, images[0].id)).status == Status.COMPLETED
    cancelled = [
        pb.ImageEnded.FromString(payload)
        for subject, payload in await read_events(sessions)
        if subject == "images.cancelled"
    ]
    assert {event.reservation_id for event in cancelled} == {
        str(image.reservation_id) for image in images[1:]
    }
    assert await read_subjects(sessions, "images.objects_dropped") == []


async def test_a_cancelled_batch_stays_cancelled_when_late_results_arrive(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 2)
    await start(sessions, images[0])
    await delete(sessions, batch)

    await finish(sessions, images[0])

    assert await read_state(sessions, batch) == ("cancelled", 0, 2, True)
    assert (await read_image(sessions, images[0].id)).status == Status.FAILED


async def test_images_that_waited_behind_a_cancelled_batch_are_dispatched(sessions: Sessions) -> None:
    batch, _ = await insert_batch(sessions, 3)
    async with sessions.begin() as session:
        await jobs.dispatch(session, JANE, RULES)
    waiting = await insert_image(sessions)

    await delete(sessions, batch)

    assert (await read_image(sessions, waiting.id)).dispatched_at is not None


@pytest.mark.parametrize("status", [BatchStatus.COMPLETED, BatchStatus.CANCELLED, BatchStatus.FAILED])
async def test_a_batch_that_has_ended_is_deleted_with_images_and_objects(
    sessions: Sessions, status: BatchStatus
) -> None:
    batch, images = await insert_batch(sessions, 2, status=status)
    await complete(sessions, *images)

    is_cancelled = await delete(sessions, batch)

    assert is_cancelled is False
    with pytest.raises(errors.NotFound):
        await read_batch(sessions, batch)
    [dropped] = [
        payload for subject, payload in await read_events(sessions) if subject == "images.objects_dropped"
    ]
    assert list(pb.ObjectsDropped.FromString(dropped).keys) == jobs.object_keys(images)
    assert await read_subjects(sessions, "images.cancelled") == []
    async with sessions.begin() as session:
        assert await library.get_many(session, [image.id or 0 for image in images]) == {}


async def test_a_second_deletion_removes_a_cancelled_batch_and_a_third_finds_none(sessions: Sessions) -> None:
    batch, _ = await insert_batch(sessions, 2)

    first = await delete(sessions, batch)
    second = await delete(sessions, batch)

    assert (first, second) == (True, False)
    with pytest.raises(errors.NotFound):
        await delete(sessions, batch)


async def test_another_user_can_neither_read_nor_cancel_a_batch(sessions: Sessions) -> None:
    batch, _ = await insert_batch(sessions, 2, JANE)

    with pytest.raises(errors.NotFound) as deleting:
        await delete(sessions, batch, OMAR)
    with pytest.raises(errors.NotFound) as getting:
        async with sessions.begin() as session:
            await batches.get(session, OMAR, batch.id or 0)
    async with sessions.begin() as session:
        listed = await batches.page(session, OMAR, None, number=1, size=15)

    assert deleting.value.reason == getting.value.reason == "batch_not_found"
    assert getting.value.message == "Batch not found."
    assert listed == ([], 0)
    assert await read_state(sessions, batch) == ("pending", 0, 0, False)


async def test_batches_are_listed_newest_first_in_pages_with_their_images_in_order(
    sessions: Sessions,
) -> None:
    created = [await insert_batch(sessions, count) for count in (2, 1, 3)]
    await insert_image(sessions)

    async with sessions.begin() as session:
        pages = [await batches.page(session, JANE, None, number=number, size=2) for number in (1, 2, 3)]

    listed = [(batch.id, [image.id for image in images]) for page, _ in pages for batch, images in page]
    assert listed == [(batch.id, [image.id for image in images]) for batch, images in reversed(created)]
    assert [(len(page), total) for page, total in pages] == [(2, 3), (1, 3), (0, 3)]


async def test_a_list_can_be_filtered_by_status(sessions: Sessions) -> None:
    for status in BatchStatus:
        await insert_batch(sessions, 1, status=status)

    for status in BatchStatus:
        async with sessions.begin() as session:
            listed, total = await batches.page(session, JANE, status, number=1, size=15)
        assert ([batch.status for batch, _ in listed], total) == ([status], 1)


@pytest.mark.parametrize("seed", range(4))
async def test_the_counts_agree_with_the_images_after_concurrent_changes(
    sessions: Sessions, seed: int
) -> None:
    batch, images = await insert_batch(sessions, 8)
    chance = random.Random(seed)
    outcomes = [complete(sessions, image) for image in images] + [fail(sessions, image) for image in images]
    deletions = [delete_image(sessions, image) for image in chance.sample(images, 3)]
    cancelling = [delete(sessions, batch)] if seed % 2 else []
    steps = [*outcomes, *deletions, *cancelling]
    chance.shuffle(steps)

    results = await asyncio.gather(*steps, return_exceptions=True)

    assert {type(each) for each in results} <= {type(None), bool, errors.FailedPrecondition, jobs.Busy}
    status, completed, failed, _ = await read_state(sessions, batch)
    async with sessions.begin() as session:
        remaining = (await library.get_many(session, [image.id or 0 for image in images])).values()
    unfinished = sum(image.status in (Status.PENDING, Status.PROCESSING) for image in remaining)
    assert completed + failed == 8 - unfinished
    assert completed >= sum(image.status == Status.COMPLETED for image in remaining)
    assert (status in ("pending", "processing")) == bool(unfinished)


async def test_a_batch_is_returned_with_its_images_and_their_links(harness: Harness) -> None:
    batch, images = await insert_batch(harness.sessions, 2, name="Cats", target_width=9, scale_factor=None)
    await complete(harness.sessions, images[0])
    user = harness.user(JANE)

    got = (await user.GetBatch(pb.GetBatchRequest(id=batch.id or 0))).batch
    listed = await user.ListBatches(
        pb.ListBatchesRequest(page=1, per_page=15, status=pb.BATCH_STATUS_PROCESSING)
    )

    assert (got.name, got.status, got.total_images) == ("Cats", pb.BATCH_STATUS_PROCESSING, 2)
    assert (got.completed_images, got.failed_images) == (1, 0)
    assert (got.scale_factor, got.target_width, got.target_height) == (0, 9, 0)
    assert not got.HasField("completed_at")
    assert [(image.id, image.batch_id) for image in got.images] == [(image.id, batch.id) for image in images]
    assert [bool(image.download_url) for image in got.images] == [True, False]
    assert [each.id for each in listed.batches] == [batch.id]
    assert listed.total == 1


async def test_the_response_says_whether_a_batch_was_cancelled_or_deleted(harness: Harness) -> None:
    batch, _ = await insert_batch(harness.sessions, 2)
    user, request = harness.user(JANE), pb.DeleteBatchRequest(id=batch.id or 0)

    assert (await user.DeleteBatch(request)).cancelled is True
    assert (await user.DeleteBatch(request)).cancelled is False
    with pytest.raises(errors.NotFound) as caught:
        await user.DeleteBatch(request)
    assert caught.value.reason == "batch_not_found"
