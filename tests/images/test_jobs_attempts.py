"""Attempts at an image: which worker owns it, which attempts count, and when none is left."""

import asyncio

import pytest

from common import errors
from common.db import Sessions
from images.domain import jobs
from images.tables import Image, Status
from tests.images.harness import RULES, insert_image, read_image
from tests.images.job_steps import (
    JANE,
    delete,
    finish,
    read_outcomes,
    send_heartbeat,
    set_heartbeat_age,
    start,
    stop,
)


async def test_a_start_counts_an_attempt_whose_number_is_the_fence(sessions: Sessions) -> None:
    image = await insert_image(sessions)

    first = await start(sessions, image)
    await stop(sessions, image, 1)
    second = await start(sessions, image)

    assert first
    assert second
    assert (first.attempt, second.attempt) == (1, 2)
    assert second.status == Status.PROCESSING
    assert second.started_at
    assert first.started_at
    assert second.started_at > first.started_at


async def test_a_second_worker_is_refused_while_the_image_is_busy(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)

    with pytest.raises(errors.FailedPrecondition) as caught:
        await start(sessions, image)

    assert caught.value.reason == "image_busy"
    assert (await read_image(sessions, image.id)).attempt == 1


async def test_only_one_of_several_workers_starts_an_image(sessions: Sessions) -> None:
    image = await insert_image(sessions)

    results = await asyncio.gather(*(start(sessions, image) for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(one, Image) for one in results) == 1
    assert sum(isinstance(one, errors.FailedPrecondition) for one in results) == 4


async def test_the_image_of_a_silent_worker_goes_to_the_next_worker(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)
    await set_heartbeat_age(sessions, image, 21)

    restarted = await start(sessions, image)

    assert restarted
    assert restarted.attempt == 2
    assert await send_heartbeat(sessions, image, 1) is False
    assert await send_heartbeat(sessions, image, 2) is True


async def test_a_heartbeat_keeps_the_image_from_other_workers(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)
    await set_heartbeat_age(sessions, image, 21)

    assert await send_heartbeat(sessions, image, 1) is True

    with pytest.raises(errors.FailedPrecondition):
        await start(sessions, image)


async def test_an_image_fails_when_its_attempts_are_used_up(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    for fence in (1, 2, 3):
        await start(sessions, image)
        await stop(sessions, image, fence)

    order = await start(sessions, image)

    found = await read_image(sessions, image.id)
    assert order is None
    assert (found.status, found.failure_code, found.failure_retryable) == (
        Status.FAILED,
        "attempts_exhausted",
        True,
    )
    [(subject, event)] = await read_outcomes(sessions)
    assert subject == "images.failed"
    assert (event.image_id, event.user_id, event.reservation_id) == (
        image.id,
        JANE,
        str(image.reservation_id),
    )


async def test_an_image_fails_when_the_worker_of_its_last_attempt_falls_silent(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    for _ in range(3):
        await start(sessions, image)
        await set_heartbeat_age(sessions, image, 21)

    assert await start(sessions, image) is None

    assert (await read_image(sessions, image.id)).status == Status.FAILED


async def test_excused_attempts_do_not_count_against_the_image(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    for fence in range(1, 8):
        await start(sessions, image)
        await stop(sessions, image, fence, excused=True)
    for fence in (8, 9, 10):
        restarted = await start(sessions, image)
        assert restarted
        assert restarted.attempt == fence
        await stop(sessions, image, fence)

    assert await start(sessions, image) is None


async def test_a_late_stop_of_an_earlier_attempt_is_ignored(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)
    await set_heartbeat_age(sessions, image, 21)
    await start(sessions, image)

    await stop(sessions, image, 1, excused=True)

    found = await read_image(sessions, image.id)
    assert found.excused == 0
    assert found.heartbeat_at is not None


async def test_an_image_that_has_ended_needs_no_work(sessions: Sessions) -> None:
    for status in (Status.COMPLETED, Status.FAILED):
        image = await insert_image(sessions, status=status, attempt=1)

        assert await start(sessions, image) is None
        assert await send_heartbeat(sessions, image, 1) is False


async def test_a_worker_is_no_longer_wanted_after_an_image_was_deleted_or_finished(
    sessions: Sessions,
) -> None:
    deleted, finished = await insert_image(sessions), await insert_image(sessions)
    await start(sessions, deleted)
    await start(sessions, finished)

    await delete(sessions, deleted)
    await finish(sessions, finished, 1)

    assert await send_heartbeat(sessions, deleted, 1) is False
    assert await send_heartbeat(sessions, finished, 1) is False
    assert await start(sessions, deleted) is None


async def test_an_image_fails_after_too_many_excused_attempts(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    starts = 0
    while await start(sessions, image):
        starts += 1
        await stop(sessions, image, starts, excused=True)

    assert starts == RULES.attempts + jobs.MOST_EXCUSED
    assert (await read_image(sessions, image.id)).failure_code == "attempts_exhausted"


async def test_progress_belongs_to_the_current_attempt_and_is_below_100_until_the_end(
    sessions: Sessions,
) -> None:
    image = await insert_image(sessions)
    progress: list[int] = []

    for percent in (40, 140, 70):
        await start(sessions, image)
        await send_heartbeat(sessions, image, (await read_image(sessions, image.id)).attempt, percent)
        progress.append((await read_image(sessions, image.id)).progress)
        await stop(sessions, image, (await read_image(sessions, image.id)).attempt)
    await send_heartbeat(sessions, image, 1, 99)
    progress.append((await read_image(sessions, image.id)).progress)

    assert progress == [40, 99, 70, 70]
