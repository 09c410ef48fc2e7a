"""An image's queue position, the estimated time until its result, and the order of the queue."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, update

from common.db import now
from images import announcements, queue_estimator
from images.domain import queue_estimate
from images.tables import Image, Status, Worker
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, build_image, insert_batch, insert_image, read_image
from tests.images.test_images_rpc import send_upload

COLD = timedelta(seconds=60)
MEGAPIXEL = {"upscaled_width": 1000, "upscaled_height": 1000}


@pytest.fixture(autouse=True)
def never_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_estimator, "READ_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(queue_estimator, "READ_AGAIN_FOR_UPLOADS_SECONDS", 0.0)
    monkeypatch.setattr(queue_estimator, "SHARE_OF_TIME", 1e9)


async def read_queue(harness: Harness) -> queue_estimate.Queue:
    async with harness.sessions.begin() as session:
        return await queue_estimate.read(session, COLD)


async def announce(harness: Harness, worker: str, speed: float | None = None) -> None:
    request = pb.AnnounceModelsRequest(worker=worker, megapixels_per_second=speed)
    await harness.service("inference").AnnounceModels(request)


async def pass_time(harness: Harness, time: timedelta) -> None:
    async with harness.sessions.begin() as session:
        await session.exec(update(Worker).values(announced_at=col(Worker.announced_at) - time))


async def insert_dispatched(harness: Harness, minutes_ago: int, **fields: Any) -> Image:
    return await insert_image(
        harness.sessions, dispatched_at=now() - timedelta(minutes=minutes_ago), **(MEGAPIXEL | fields)
    )


async def read_estimate(harness: Harness, image: Image) -> tuple[int, int]:
    """Return queue position and seconds from the response to the owner. 0 stands for none."""
    response = await harness.user(image.user_id).GetImage(pb.GetImageRequest(id=image.id or 0))
    return response.image.queue_position, response.image.estimated_seconds


async def test_waiting_images_have_positions_in_the_order_in_which_they_start(harness: Harness) -> None:
    undispatched = await insert_image(harness.sessions)
    later = await insert_dispatched(harness, 1, user_id=2)
    earlier = await insert_dispatched(harness, 2, user_id=3)
    first = await insert_dispatched(harness, 0, user_id=4, is_priority=True)
    started = await insert_dispatched(harness, 9, user_id=5, status=Status.PROCESSING)

    found = await read_queue(harness)

    assert [found.position(image) for image in (first, earlier, later, undispatched)] == [1, 2, 3, 4]
    assert found.position(started) is None


async def test_an_image_that_was_added_after_the_queue_was_read_is_last_in_its_queue(
    harness: Harness,
) -> None:
    await insert_dispatched(harness, 1, is_priority=True)
    await insert_dispatched(harness, 1)
    found = await read_queue(harness)

    standard = await insert_dispatched(harness, 0)
    priority = await insert_dispatched(harness, 0, is_priority=True)

    assert (found.position(priority), found.position(standard)) == (2, 3)


async def test_the_wait_is_the_work_up_to_the_result_divided_by_the_speed_of_all_workers(
    harness: Harness,
) -> None:
    await announce(harness, "one", 0.5)
    await announce(harness, "two", 0.25)
    under_way = await insert_dispatched(harness, 3, status=Status.PROCESSING, progress=50)
    other = await insert_dispatched(harness, 3, status=Status.PROCESSING, progress=0)
    first, second = [await insert_dispatched(harness, minutes) for minutes in (2, 1)]

    found = await read_queue(harness)

    # 1.5 megapixels are under way, the workers do 0.75 per second, and one of them does half of that
    assert [found.seconds(image) for image in (first, second)] == [5, 6]
    assert [found.seconds(image) for image in (under_way, other)] == [2, 3]


async def test_without_a_worker_the_estimate_includes_a_cold_start(harness: Harness) -> None:
    await announce(harness, "gone", 0.5)
    await pass_time(harness, timedelta(hours=3))
    image = await insert_dispatched(harness, 1)

    cold = (await read_queue(harness)).seconds(image)
    await announce(harness, "new")
    warm = (await read_queue(harness)).seconds(image)

    assert (cold, warm) == (62, 2)


async def test_a_worker_without_a_speed_counts_with_the_last_announced_speed(
    harness: Harness,
) -> None:
    await announce(harness, "one", 0.5)
    await announce(harness, "new")
    image = await insert_dispatched(harness, 1)

    assert (await read_queue(harness)).seconds(image) == 2
    await announce(harness, "new", 0.25)
    assert (await read_queue(harness)).seconds(image) == 3


async def test_the_wait_is_unknown_before_any_worker_announced_its_speed(harness: Harness) -> None:
    await announce(harness, "new")
    image = await insert_dispatched(harness, 1)

    found = await read_queue(harness)

    assert (found.position(image), found.seconds(image)) == (1, None)


async def test_an_image_that_has_ended_has_no_estimate(harness: Harness) -> None:
    await announce(harness, "one", 1.0)
    completed = await insert_image(harness.sessions, status=Status.COMPLETED, upscaled_bytes=1)
    failed = await insert_image(harness.sessions, status=Status.FAILED)

    assert [await read_estimate(harness, image) for image in (completed, failed)] == [(0, 0), (0, 0)]


async def test_the_estimate_is_returned_from_the_upload_on(harness: Harness) -> None:
    await announce(harness, "one", 1e-5)
    await insert_dispatched(harness, 1, user_id=2, upscaled_width=10, upscaled_height=10)

    accepted = (await harness.user().Upscale(send_upload())).image
    image = await read_image(harness.sessions, accepted.id)
    [listed] = (await harness.user().ListImages(pb.ListImagesRequest(page=1, per_page=10))).images

    seconds = pytest.approx(10 + image.upscaled_width * image.upscaled_height / 10, abs=1)
    assert (accepted.queue_position, accepted.estimated_seconds) == (2, seconds)
    assert (listed.queue_position, listed.estimated_seconds) == (2, seconds)
    assert await read_estimate(harness, image) == (2, seconds)


async def test_each_image_of_a_batch_has_its_own_position(harness: Harness) -> None:
    batch, images = await insert_batch(harness.sessions, count=3)

    found = (await harness.user().GetBatch(pb.GetBatchRequest(id=batch.id or 0))).batch

    assert [image.queue_position for image in found.images] == [1, 2, 3]
    assert [image.id for image in found.images] == [image.id for image in images]


async def test_images_of_a_new_batch_have_different_positions(harness: Harness) -> None:
    await announce(harness, "one", 1.0)
    await insert_dispatched(harness, 1, user_id=2)
    for _ in range(2):
        await insert_dispatched(harness, 1, user_id=2, is_priority=True)
    found = await read_queue(harness)
    standard = [build_image(id=101 + number, **MEGAPIXEL) for number in range(3)]
    priority = [build_image(id=201 + number, is_priority=True, **MEGAPIXEL) for number in range(2)]

    found.add(standard)
    found.add(priority)

    assert [(found.position(image), found.seconds(image)) for image in standard] == [(4, 4), (5, 5), (6, 6)]
    assert [(found.position(image), found.seconds(image)) for image in priority] == [(3, 3), (4, 4)]


async def test_images_that_come_in_quick_succession_count_each_other(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_estimator, "READ_AGAIN_SECONDS", 3600.0)
    monkeypatch.setattr(queue_estimator, "READ_AGAIN_FOR_UPLOADS_SECONDS", 3600.0)
    await announce(harness, "one", 1e-5)

    accepted = [(await harness.user().Upscale(send_upload())).image for _ in range(2)]

    first = accepted[0].estimated_seconds
    assert [image.queue_position for image in accepted] == [1, 2]
    assert [image.estimated_seconds for image in accepted] == [
        pytest.approx(first * position, rel=0.01) for position in (1, 2)
    ]


async def test_an_upload_does_not_count_an_image_that_has_just_ended(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await announce(harness, "one", 1e-5)
    ended = await insert_dispatched(harness, 1, status=Status.PROCESSING)
    monkeypatch.setattr(queue_estimator, "READ_AGAIN_SECONDS", 3600.0)
    await read_estimate(harness, ended)
    async with harness.sessions.begin() as session:
        completed = {"status": Status.COMPLETED, "upscaled_bytes": 1}
        await session.exec(update(Image).where(col(Image.id) == ended.id).values(completed))

    accepted = (await harness.user().Upscale(send_upload())).image

    image = await read_image(harness.sessions, accepted.id)
    own = image.upscaled_width * image.upscaled_height / 10
    assert (accepted.queue_position, accepted.estimated_seconds) == (1, pytest.approx(own, abs=1))
    assert await read_estimate(harness, image) == (1, accepted.estimated_seconds)


async def test_the_queue_is_read_again_only_after_a_while(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_estimator, "READ_AGAIN_SECONDS", 3600.0)
    estimator = queue_estimator.QueueEstimator(harness.sessions, COLD)

    first = await estimator.queue()
    await insert_image(harness.sessions)
    again = await estimator.queue()
    monkeypatch.setattr(queue_estimator, "READ_AGAIN_SECONDS", 0.0)
    anew = await estimator.queue()

    assert first is again
    assert (first.positions, len(anew.positions)) == ({}, 1)


async def test_after_one_slow_reading_the_queue_is_not_cached_for_long(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_estimator, "SHARE_OF_TIME", 1e-9)
    monkeypatch.setattr(queue_estimator, "LONGEST_CACHED_SECONDS", 0.0)
    estimator = queue_estimator.QueueEstimator(harness.sessions, COLD)

    await estimator.queue()
    await insert_image(harness.sessions)

    assert len((await estimator.queue()).positions) == 1


async def test_a_speed_near_zero_gives_a_bounded_estimate(harness: Harness) -> None:
    await announce(harness, "stuck", announcements.SLOWEST)
    image = await insert_dispatched(harness, 1)

    accepted = (await harness.user(3).Upscale(send_upload())).image

    assert await read_estimate(harness, image) == (1, queue_estimate.LONGEST_WAIT_SECONDS)
    assert accepted.estimated_seconds == queue_estimate.LONGEST_WAIT_SECONDS
