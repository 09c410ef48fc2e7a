"""The progress and the end of a batch: each of its images counts once, whatever happens to it."""

import asyncio
import random

import pytest

from common import errors
from common.db import Sessions
from images.domain import batches, jobs, library
from images.tables import Batch, BatchStatus, Image, Status
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES, Harness, a_batch, an_image, events, row

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


async def found(sessions: Sessions, batch: Batch) -> Batch:
    async with sessions.begin() as session:
        return (await batches.get(session, batch.user_id, batch.id or 0))[0]


async def state(sessions: Sessions, batch: Batch) -> tuple[str, int, int, bool]:
    """Return status, completed and failed images, and whether the batch has ended."""
    now = await found(sessions, batch)
    return now.status.value, now.completed_images, now.failed_images, now.completed_at is not None


async def subjects(sessions: Sessions, *wanted: str) -> list[str]:
    return [subject for subject, _ in await events(sessions) if subject in wanted]


async def test_it_is_pending_until_the_first_image_starts(sessions: Sessions) -> None:
    batch, images = await a_batch(sessions, 2)

    before = await state(sessions, batch)
    await start(sessions, images[1])

    assert before == ("pending", 0, 0, False)
    assert await state(sessions, batch) == ("processing", 0, 0, False)


async def test_it_is_completed_when_all_images_are(sessions: Sessions) -> None:
    batch, images = await a_batch(sessions, 3)

    await complete(sessions, *images[:2])
    before = await state(sessions, batch)
    await complete(sessions, images[2])

    assert before == ("processing", 2, 0, False)
    assert await state(sessions, batch) == ("completed", 3, 0, True)


async def test_it_is_partially_failed_when_some_have_failed(sessions: Sessions) -> None:
    batch, images = await a_batch(sessions, 3)

    await fail(sessions, images[0])
    await complete(sessions, *images[1:])

    assert await state(sessions, batch) == ("partially_failed", 2, 1, True)


async def test_it_is_failed_when_none_is_completed(sessions: Sessions) -> None:
    batch, images = await a_batch(sessions, 2)

    await fail(sessions, *images)

    assert await state(sessions, batch) == ("failed", 0, 2, True)


async def test_attempts_that_are_used_up_count_as_failed(sessions: Sessions) -> None:
    batch, [image] = await a_batch(sessions, 1)
    for fence in (1, 2, 3):
        await start(sessions, image)
        async with sessions.begin() as session:
            await jobs.stop(session, image.id or 0, fence, excused=False)

    await start(sessions, image)

    assert await state(sessions, batch) == ("failed", 0, 1, True)


async def test_a_result_delivered_twice_counts_once(sessions: Sessions) -> None:
    batch, images = await a_batch(sessions, 2)
    await start(sessions, images[0])

    await asyncio.gather(*(finish(sessions, images[0]) for _ in range(4)))

    assert await state(sessions, batch) == ("processing", 1, 0, False)


async def test_images_that_end_at_the_same_moment_all_count(sessions: Sessions) -> None:
    batch, images = await a_batch(sessions, 6)
    for image in images:
        await start(sessions, image)

    await asyncio.gather(
        *(finish(sessions, image, failure="x" * (number % 2)) for number, image in enumerate(images))
    )

    assert await state(sessions, batch) == ("partially_failed", 3, 3, True)


async def test_deleting_a_finished_image_leaves_the_counts(sessions: Sessions) -> None:
    batch, images = await a_batch(sessions, 2)
    await complete(sessions, *images)

    await delete_image(sessions, images[0])

    assert await state(sessions, batch) == ("completed", 2, 0, True)
    assert (await found(sessions, batch)).total_images == 2


async def test_deleting_an_unfinished_image_counts_as_failed_so_that_the_batch_can_end(
    sessions: Sessions,
) -> None:
    batch, images = await a_batch(sessions, 2)
    await complete(sessions, images[0])

    await delete_image(sessions, images[1])

    assert await state(sessions, batch) == ("partially_failed", 1, 1, True)
    assert await subjects(sessions, "images.cancelled") == ["images.cancelled"]


async def test_cancelling_fails_unfinished_images_and_releases_their_places(sessions: Sessions) -> None:
    batch, images = await a_batch(sessions, 4)
    await complete(sessions, images[0])
    await start(sessions, images[1])

    is_cancelled = await delete(sessions, batch)

    assert is_cancelled is True
    assert await state(sessions, batch) == ("cancelled", 1, 3, True)
    for image in images[1:]:
        ended = await row(sessions, image.id)
        assert (ended.status, ended.failure_code) == (Status.FAILED, "cancelled")
        assert (ended.failure_message, ended.failure_retryable) == ("The image was cancelled.", True)
    assert (await row(sessions, images[0].id)).status == Status.COMPLETED
    cancelled = [
        pb.ImageEnded.FromString(payload)
        for subject, payload in await events(sessions)
        if subject == "images.cancelled"
    ]
    assert {event.reservation_id for event in cancelled} == {
        str(image.reservation_id) for image in images[1:]
    }
    assert await subjects(sessions, "images.objects_dropped") == []


async def test_a_cancelled_batch_stays_cancelled_when_late_results_arrive(sessions: Sessions) -> None:
    batch, images = await a_batch(sessions, 2)
    await start(sessions, images[0])
    await delete(sessions, batch)

    await finish(sessions, images[0])

    assert await state(sessions, batch) == ("cancelled", 0, 2, True)
    assert (await row(sessions, images[0].id)).status == Status.FAILED


async def test_images_that_waited_behind_a_cancelled_batch_are_dispatched(sessions: Sessions) -> None:
    batch, _ = await a_batch(sessions, 3)
    async with sessions.begin() as session:
        await jobs.dispatch(session, JANE, RULES)
    waiting = await an_image(sessions)

    await delete(sessions, batch)

    assert (await row(sessions, waiting.id)).dispatched_at is not None


@pytest.mark.parametrize("status", [BatchStatus.COMPLETED, BatchStatus.CANCELLED, BatchStatus.FAILED])
async def test_a_batch_that_has_ended_is_deleted_with_images_and_objects(
    sessions: Sessions, status: BatchStatus
) -> None:
    batch, images = await a_batch(sessions, 2, status=status)
    await complete(sessions, *images)

    is_cancelled = await delete(sessions, batch)

    assert is_cancelled is False
    with pytest.raises(errors.NotFound):
        await found(sessions, batch)
    [dropped] = [
        payload for subject, payload in await events(sessions) if subject == "images.objects_dropped"
    ]
    assert list(pb.ObjectsDropped.FromString(dropped).keys) == jobs.object_keys(images)
    assert await subjects(sessions, "images.cancelled") == []
    async with sessions.begin() as session:
        assert await library.get_many(session, [image.id or 0 for image in images]) == {}


async def test_a_second_deletion_removes_a_cancelled_batch_and_a_third_finds_none(sessions: Sessions) -> None:
    batch, _ = await a_batch(sessions, 2)

    first = await delete(sessions, batch)
    second = await delete(sessions, batch)

    assert (first, second) == (True, False)
    with pytest.raises(errors.NotFound):
        await delete(sessions, batch)


async def test_another_user_can_neither_see_nor_end_a_batch(sessions: Sessions) -> None:
    batch, _ = await a_batch(sessions, 2, JANE)

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
    assert await state(sessions, batch) == ("pending", 0, 0, False)


async def test_lists_are_newest_first_in_pages_with_their_images_in_order(sessions: Sessions) -> None:
    made = [await a_batch(sessions, count) for count in (2, 1, 3)]
    await an_image(sessions)

    async with sessions.begin() as session:
        pages = [await batches.page(session, JANE, None, number=number, size=2) for number in (1, 2, 3)]

    listed = [(batch.id, [image.id for image in images]) for page, _ in pages for batch, images in page]
    assert listed == [(batch.id, [image.id for image in images]) for batch, images in reversed(made)]
    assert [(len(page), total) for page, total in pages] == [(2, 3), (1, 3), (0, 3)]


async def test_a_status_narrows_the_list(sessions: Sessions) -> None:
    for status in BatchStatus:
        await a_batch(sessions, 1, status=status)

    for status in BatchStatus:
        async with sessions.begin() as session:
            listed, total = await batches.page(session, JANE, status, number=1, size=15)
        assert ([batch.status for batch, _ in listed], total) == ([status], 1)


@pytest.mark.parametrize("seed", range(4))
async def test_the_counts_agree_with_the_images_after_concurrent_changes(
    sessions: Sessions, seed: int
) -> None:
    batch, images = await a_batch(sessions, 8)
    chance = random.Random(seed)
    whole = [complete(sessions, image) for image in images] + [fail(sessions, image) for image in images]
    others = [delete_image(sessions, image) for image in chance.sample(images, 3)]
    cancelling = [delete(sessions, batch)] if seed % 2 else []
    steps = [*whole, *others, *cancelling]
    chance.shuffle(steps)

    results = await asyncio.gather(*steps, return_exceptions=True)

    assert {type(each) for each in results} <= {type(None), bool, errors.FailedPrecondition, jobs.Busy}
    status, completed, failed, _ = await state(sessions, batch)
    async with sessions.begin() as session:
        left = (await library.get_many(session, [image.id or 0 for image in images])).values()
    unfinished = sum(image.status in (Status.PENDING, Status.PROCESSING) for image in left)
    assert completed + failed == 8 - unfinished
    assert completed >= sum(image.status == Status.COMPLETED for image in left)
    assert (status in ("pending", "processing")) == bool(unfinished)


async def test_a_batch_is_returned_with_its_images_and_their_links(harness: Harness) -> None:
    batch, images = await a_batch(harness.sessions, 2, name="Cats", target_width=9, scale_factor=None)
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
    batch, _ = await a_batch(harness.sessions, 2)
    user, request = harness.user(JANE), pb.DeleteBatchRequest(id=batch.id or 0)

    assert (await user.DeleteBatch(request)).cancelled is True
    assert (await user.DeleteBatch(request)).cancelled is False
    with pytest.raises(errors.NotFound) as caught:
        await user.DeleteBatch(request)
    assert caught.value.reason == "batch_not_found"
