"""The metrics of images for operators and autoscaling: queued work, ages, counts of committed changes."""

import contextlib
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from common.db import Sessions, now
from images import gauges
from images.domain import jobs, library
from images.tables import Status
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES, build_image, insert_image

USER = 1


def read_metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_queued_work_is_the_megapixels_that_unfinished_images_still_need(sessions: Sessions) -> None:
    await insert_image(sessions, upscaled_width=4000, upscaled_height=3000)
    await insert_image(
        sessions, status=Status.PROCESSING, progress=75, upscaled_width=2000, upscaled_height=1000
    )
    await insert_image(sessions, status=Status.COMPLETED, upscaled_width=9000, upscaled_height=9000)
    await insert_image(sessions, status=Status.FAILED, upscaled_width=9000, upscaled_height=9000)

    await gauges.update(sessions)

    assert read_metric("loupe_queued_work_megapixels") == pytest.approx(12.5)
    assert read_metric("loupe_images_unfinished", status="pending") == 1
    assert read_metric("loupe_images_unfinished", status="processing") == 1


async def test_all_gauges_are_zero_without_unfinished_images(sessions: Sessions) -> None:
    await insert_image(sessions, status=Status.COMPLETED)

    await gauges.update(sessions)

    assert read_metric("loupe_queued_work_megapixels") == 0
    for status in ("pending", "processing"):
        assert read_metric("loupe_images_unfinished", status=status) == 0
        assert read_metric("loupe_images_oldest_seconds", status=status) == 0


async def test_users_that_wait_are_counted_without_those_whose_images_are_all_in_the_stream(
    sessions: Sessions,
) -> None:
    await insert_image(sessions, 1, dispatched_at=now())
    for user_id in (1, 2, 2):
        await insert_image(sessions, user_id)
    await insert_image(sessions, 3, dispatched_at=now())

    await gauges.update(sessions)

    assert read_metric("loupe_users_waiting") == 2


async def test_the_age_of_the_oldest_image_of_a_status_is_measured(sessions: Sessions) -> None:
    await insert_image(sessions, created_at=now() - timedelta(days=1))
    await insert_image(sessions)

    await gauges.update(sessions)

    assert read_metric("loupe_images_oldest_seconds", status="pending") >= 86_400
    assert read_metric("loupe_images_oldest_seconds", status="processing") == 0


async def test_a_transaction_that_fails_counts_nothing(sessions: Sessions) -> None:
    before = read_metric("loupe_images_accepted_total", queue="standard")

    with contextlib.suppress(ZeroDivisionError):
        async with sessions.begin() as session:
            await library.add(session, USER, [build_image()], RULES)
            raise ZeroDivisionError
    async with sessions.begin() as session:
        await library.add(session, USER, [build_image(), build_image()], RULES)
        during = read_metric("loupe_images_accepted_total", queue="standard")

    assert during == before
    assert read_metric("loupe_images_accepted_total", queue="standard") == before + 2


async def test_queue_seconds_are_counted_once_at_the_first_start(sessions: Sessions) -> None:
    image = await insert_image(sessions, created_at=now() - timedelta(minutes=10), is_priority=True)
    counted = read_metric("loupe_image_queue_seconds_count", queue="priority")
    waited = read_metric("loupe_image_queue_seconds_sum", queue="priority")
    retries = read_metric("loupe_image_attempts_total", attempt="another")

    for _ in range(2):
        async with sessions.begin() as session:
            order = await jobs.start(session, image.id or 0, RULES)
            assert order
            await jobs.stop(session, order.id or 0, order.attempt, excused=False)

    assert read_metric("loupe_image_queue_seconds_count", queue="priority") == counted + 1
    assert read_metric("loupe_image_queue_seconds_sum", queue="priority") >= waited + 600
    assert read_metric("loupe_image_attempts_total", attempt="another") == retries + 1


async def test_outcomes_are_counted_once_and_by_their_code(sessions: Sessions) -> None:
    image = await insert_image(sessions, status=Status.PROCESSING, attempt=1)
    failure = inference_pb2.Failure(code="undecodable", message="It is no image.")
    finished = inference_pb2.Finished(image_id=image.id or 0, fence=1, failure=failure)
    labels = {"outcome": "failed", "code": "undecodable"}
    before = read_metric("loupe_images_finished_total", **labels)

    for _ in range(2):
        async with sessions.begin() as session:
            await jobs.finish(session, finished, RULES)

    assert read_metric("loupe_images_finished_total", **labels) == before + 1


async def test_a_cancelled_image_is_not_counted_as_failed(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    labels = {"outcome": "cancelled", "code": "cancelled"}
    before = read_metric("loupe_images_finished_total", **labels)

    async with sessions.begin() as session:
        await library.delete(session, image.user_id, image.id or 0, RULES)

    assert read_metric("loupe_images_finished_total", **labels) == before + 1
