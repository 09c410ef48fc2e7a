"""From accepted to ended: each rule of the stream's window, of attempts and fences, and of what got lost."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, update

from common import errors
from common.db import Sessions, now
from images.domain import jobs, library
from images.tables import Image, Status
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2
from tests.images.images_rig import RULES, an_image, events, row

JANE, OMAR = 1, 2
LONG_AGO = timedelta(hours=1)


async def dispatch(sessions: Sessions, user_id: int = JANE) -> None:
    async with sessions.begin() as session:
        await jobs.lock_user(session, user_id)
        await jobs.dispatch(session, user_id, RULES)


async def start(sessions: Sessions, image: Image) -> Image | None:
    async with sessions.begin() as session:
        return await jobs.start(session, image.id or 0, RULES)


async def stop(sessions: Sessions, image: Image, fence: int, *, excused: bool = False) -> None:
    async with sessions.begin() as session:
        await jobs.stop(session, image.id or 0, fence, excused=excused)


async def keep(sessions: Sessions, image: Image, fence: int, percent: int = 0) -> bool:
    async with sessions.begin() as session:
        return await jobs.keep(session, image.id or 0, fence, percent)


async def delete(sessions: Sessions, image: Image) -> None:
    async with sessions.begin() as session:
        await library.delete(session, image.user_id, image.id or 0, RULES)


async def finish(sessions: Sessions, image: Image, fence: int, *, failure: str = "") -> None:
    event = inference_pb2.Finished(image_id=image.id or 0, fence=fence, upscaled_path=image.upscaled_path)
    if failure:
        event.failure.CopyFrom(inference_pb2.Failure(code=failure, message="No.", retryable=True))
    else:
        event.output.CopyFrom(inference_pb2.Output(bytes=321, seconds=1.5))
    async with sessions.begin() as session:
        await jobs.finish(session, event, RULES)


async def submitted(sessions: Sessions) -> list[int]:
    return [
        pb.ImageSubmitted.FromString(payload).image_id
        for subject, payload in await events(sessions)
        if subject.startswith("images.submitted.")
    ]


async def ended(sessions: Sessions) -> list[tuple[str, pb.ImageEnded]]:
    return [
        (subject, pb.ImageEnded.FromString(payload))
        for subject, payload in await events(sessions)
        if subject in ("images.completed", "images.failed", "images.cancelled")
    ]


async def dropped(sessions: Sessions) -> list[str]:
    return [
        key
        for subject, payload in await events(sessions)
        if subject == "images.objects_dropped"
        for key in pb.ObjectsDropped.FromString(payload).keys
    ]


async def silence(sessions: Sessions, image: Image, seconds: float) -> None:
    """The worker's last sign of life was that long ago."""
    async with sessions.begin() as session:
        then = now() - timedelta(seconds=seconds)
        await session.exec(
            update(Image).where(col(Image.id) == image.id).values(heartbeat_at=then, started_at=then)
        )


async def test_a_user_has_no_more_images_in_the_stream_than_the_window(sessions: Sessions) -> None:
    images = [await an_image(sessions) for _ in range(5)]

    for _ in range(3):
        await dispatch(sessions)

    assert sorted(await submitted(sessions)) == [image.id for image in images[:2]]


async def test_uploads_at_the_same_moment_do_not_open_the_window_wider(sessions: Sessions) -> None:
    for _ in range(8):
        await an_image(sessions)

    await asyncio.gather(*(dispatch(sessions) for _ in range(8)))

    assert len(await submitted(sessions)) == 2


async def test_the_next_image_follows_when_one_ends(sessions: Sessions) -> None:
    images = [await an_image(sessions) for _ in range(5)]
    await dispatch(sessions)

    await start(sessions, images[0])
    await finish(sessions, images[0], 1)
    third = await submitted(sessions)
    await start(sessions, images[1])
    await finish(sessions, images[1], 1, failure="undecodable")
    fourth = await submitted(sessions)
    await delete(sessions, images[2])

    assert sorted(third) == [image.id for image in images[:3]]
    assert sorted(fourth) == [image.id for image in images[:4]]
    assert sorted(await submitted(sessions)) == [image.id for image in images]


async def test_images_that_are_worked_on_still_fill_the_window(sessions: Sessions) -> None:
    images = [await an_image(sessions) for _ in range(3)]
    await dispatch(sessions)

    await start(sessions, images[0])
    await dispatch(sessions)

    assert len(await submitted(sessions)) == 2


async def test_another_user_does_not_wait_for_the_first_ones_window(sessions: Sessions) -> None:
    for _ in range(5):
        await an_image(sessions, JANE)
    await dispatch(sessions, JANE)
    other = await an_image(sessions, OMAR)

    await dispatch(sessions, OMAR)

    assert (await submitted(sessions))[-1] == other.id


async def test_a_priority_image_goes_into_its_own_class(sessions: Sessions) -> None:
    await an_image(sessions, is_priority=True)
    await an_image(sessions)

    await dispatch(sessions)

    assert sorted(subject for subject, _ in await events(sessions)) == [
        "images.submitted.priority",
        "images.submitted.standard",
    ]


async def test_a_start_counts_an_attempt_which_is_the_fence(sessions: Sessions) -> None:
    image = await an_image(sessions)

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


async def test_a_second_worker_is_told_that_the_image_is_busy(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)

    with pytest.raises(errors.FailedPrecondition) as caught:
        await start(sessions, image)

    assert caught.value.reason == "image_busy"
    assert (await row(sessions, image.id)).attempt == 1


async def test_two_workers_at_the_same_moment_do_not_both_get_it(sessions: Sessions) -> None:
    image = await an_image(sessions)

    got = await asyncio.gather(*(start(sessions, image) for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(one, Image) for one in got) == 1
    assert sum(isinstance(one, errors.FailedPrecondition) for one in got) == 4


async def test_a_silent_workers_image_is_handed_on(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)
    await silence(sessions, image, 21)

    taken = await start(sessions, image)

    assert taken
    assert taken.attempt == 2
    assert await keep(sessions, image, 1) is False
    assert await keep(sessions, image, 2) is True


async def test_a_sign_of_life_keeps_the_image(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)
    await silence(sessions, image, 21)

    assert await keep(sessions, image, 1) is True

    with pytest.raises(errors.FailedPrecondition):
        await start(sessions, image)


async def test_an_image_fails_when_its_attempts_are_used_up(sessions: Sessions) -> None:
    image = await an_image(sessions)
    for fence in (1, 2, 3):
        await start(sessions, image)
        await stop(sessions, image, fence)

    given = await start(sessions, image)

    found = await row(sessions, image.id)
    assert given is None
    assert (found.status, found.failure_code, found.failure_retryable) == (
        Status.FAILED,
        "attempts_exhausted",
        True,
    )
    [(subject, event)] = await ended(sessions)
    assert subject == "images.failed"
    assert (event.image_id, event.user_id, event.reservation_id) == (
        image.id,
        JANE,
        str(image.reservation_id),
    )


async def test_the_last_attempts_silence_fails_the_image_too(sessions: Sessions) -> None:
    image = await an_image(sessions)
    for _ in range(3):
        await start(sessions, image)
        await silence(sessions, image, 21)

    assert await start(sessions, image) is None

    assert (await row(sessions, image.id)).status == Status.FAILED


async def test_excused_attempts_do_not_count_against_the_image(sessions: Sessions) -> None:
    image = await an_image(sessions)
    for fence in range(1, 8):
        await start(sessions, image)
        await stop(sessions, image, fence, excused=True)
    for fence in (8, 9, 10):
        taken = await start(sessions, image)
        assert taken
        assert taken.attempt == fence
        await stop(sessions, image, fence)

    assert await start(sessions, image) is None


async def test_a_stop_is_excused_only_once_and_only_by_its_own_worker(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)
    await silence(sessions, image, 21)
    await start(sessions, image)

    await stop(sessions, image, 1, excused=True)

    found = await row(sessions, image.id)
    assert found.excused == 0
    assert found.heartbeat_at is not None


async def test_an_image_that_has_ended_wants_no_work(sessions: Sessions) -> None:
    for status in (Status.COMPLETED, Status.FAILED):
        image = await an_image(sessions, status=status, attempt=1)

        assert await start(sessions, image) is None
        assert await keep(sessions, image, 1) is False


async def test_a_result_completes_the_image(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)

    await finish(sessions, image, 1)

    found = await row(sessions, image.id)
    assert (found.status, found.upscaled_bytes, found.processing_seconds) == (Status.COMPLETED, 321, 1.5)
    assert [subject for subject, _ in await ended(sessions)] == ["images.completed"]


async def test_a_failure_is_told_as_the_worker_put_it(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)

    await finish(sessions, image, 1, failure="undecodable")

    found = await row(sessions, image.id)
    assert (found.status, found.failure_code, found.failure_message) == (
        Status.FAILED,
        "undecodable",
        "No.",
    )
    assert [subject for subject, _ in await ended(sessions)] == ["images.failed"]


async def test_a_result_with_an_older_fence_changes_nothing(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)
    await silence(sessions, image, 21)
    await start(sessions, image)

    await finish(sessions, image, 1)

    assert (await row(sessions, image.id)).status == Status.PROCESSING
    assert await events(sessions) == []


async def test_a_result_told_twice_counts_once(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)

    await asyncio.gather(*(finish(sessions, image, 1) for _ in range(4)))
    await finish(sessions, image, 1, failure="undecodable")

    assert (await row(sessions, image.id)).status == Status.COMPLETED
    assert len(await ended(sessions)) == 1


async def test_a_result_of_a_deleted_image_is_dropped(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)
    await delete(sessions, image)

    await finish(sessions, image, 1)

    assert await dropped(sessions) == [image.original_path, image.upscaled_path, image.upscaled_path]
    assert [subject for subject, _ in await ended(sessions)] == ["images.cancelled"]


async def test_nobody_is_wanted_after_the_end(sessions: Sessions) -> None:
    deleted, finished = await an_image(sessions), await an_image(sessions)
    await start(sessions, deleted)
    await start(sessions, finished)

    await delete(sessions, deleted)
    await finish(sessions, finished, 1)

    assert await keep(sessions, deleted, 1) is False
    assert await keep(sessions, finished, 1) is False
    assert await start(sessions, deleted) is None


async def test_deleting_a_finished_image_gives_nothing_back(sessions: Sessions) -> None:
    image = await an_image(sessions, status=Status.COMPLETED)

    await delete(sessions, image)

    assert await ended(sessions) == []
    assert await dropped(sessions) == [image.original_path, image.upscaled_path]


async def test_an_abandoned_image_waits_again(sessions: Sessions) -> None:
    abandoned = await an_image(sessions, JANE, dispatched_at=now() - LONG_AGO)
    alive = await an_image(sessions, OMAR, dispatched_at=now() - LONG_AGO)
    await start(sessions, abandoned)
    await start(sessions, alive)
    await silence(sessions, abandoned, 61)
    await silence(sessions, alive, 59)

    async with sessions.begin() as session:
        users = await jobs.abandoned(session, RULES)
    await dispatch(sessions)

    assert users == [JANE]
    found = await row(sessions, abandoned.id)
    assert (found.status, found.attempt) == (Status.PENDING, 1)
    assert await submitted(sessions) == [abandoned.id]
    assert (await row(sessions, alive.id)).status == Status.PROCESSING


async def test_a_stopped_image_that_nobody_took_is_abandoned_too(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)
    await silence(sessions, image, 61)
    await stop(sessions, image, 1)

    async with sessions.begin() as session:
        assert await jobs.abandoned(session, RULES) == [JANE]

    taken = await start(sessions, image)
    assert taken
    assert taken.attempt == 2


async def test_a_lost_image_is_dispatched_again(sessions: Sessions) -> None:
    lost = await an_image(sessions, JANE, dispatched_at=now() - timedelta(seconds=31))
    fresh = await an_image(sessions, OMAR, dispatched_at=now() - timedelta(seconds=29))
    waiting = await an_image(sessions, OMAR)

    async with sessions.begin() as session:
        users = await jobs.lost(session, timedelta(seconds=30))
    await dispatch(sessions)

    assert users == [JANE]
    assert await submitted(sessions) == [lost.id]
    assert (await row(sessions, fresh.id)).dispatched_at is not None
    assert (await row(sessions, waiting.id)).dispatched_at is None


async def test_an_abandoned_worker_has_its_image_again_while_nobody_else_has_begun(
    sessions: Sessions,
) -> None:
    early, late = await an_image(sessions, JANE), await an_image(sessions, OMAR)
    for image in (early, late):
        await start(sessions, image)
        await silence(sessions, image, 61)
    async with sessions.begin() as session:
        await jobs.abandoned(session, RULES)

    wanted = await keep(sessions, early, 1)
    await finish(sessions, early, 1)
    await start(sessions, late)
    await finish(sessions, late, 1)

    assert wanted is True
    assert (await row(sessions, early.id)).status == Status.COMPLETED
    assert (await row(sessions, late.id)).status == Status.PROCESSING


async def test_ageing_reservations_are_those_of_unfinished_images_that_end_soon(sessions: Sessions) -> None:
    soon = now() + timedelta(minutes=10)
    waiting = await an_image(sessions, reserved_until=soon)
    working = await an_image(sessions, reserved_until=soon, status=Status.PROCESSING)
    await an_image(sessions, reserved_until=soon, status=Status.COMPLETED)
    await an_image(sessions, reserved_until=now() + LONG_AGO)

    async with sessions.begin() as session:
        found = await library.with_ageing_reservations(session, timedelta(minutes=30), 10)
        await library.set_reserved_until(session, found, now() + LONG_AGO)

    async with sessions.begin() as session:
        assert set(found) == {waiting.reservation_id, working.reservation_id}
        assert await library.with_ageing_reservations(session, timedelta(minutes=30), 10) == []


async def test_a_change_that_fails_leaves_no_event(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)

    with pytest.raises(DBAPIError):  # noqa: PT012  the failure comes after the change
        async with sessions.begin() as session:
            event = inference_pb2.Finished(image_id=image.id or 0, fence=1)
            event.output.CopyFrom(inference_pb2.Output(bytes=1))
            await jobs.finish(session, event, RULES)
            await (await session.connection()).execute(sa.text("SELECT 1/0"))

    assert (await row(sessions, image.id)).status == Status.PROCESSING
    assert await events(sessions) == []


async def test_ends_and_deletions_of_one_user_do_not_wait_for_each_other(sessions: Sessions) -> None:
    running = [await an_image(sessions) for _ in range(5)]
    for image in running:
        await start(sessions, image)
    waiting = [await an_image(sessions) for _ in range(5)]

    await asyncio.gather(
        *(finish(sessions, image, 1) for image in running), *(delete(sessions, image) for image in waiting)
    )

    assert [(await row(sessions, image.id)).status for image in running] == [Status.COMPLETED] * 5


async def test_a_picture_during_which_everything_dies_fails_in_the_end(sessions: Sessions) -> None:
    image = await an_image(sessions)
    starts = 0
    while await start(sessions, image):
        starts += 1
        await stop(sessions, image, starts, excused=True)

    assert starts == RULES.attempts + jobs.MOST_EXCUSED
    assert (await row(sessions, image.id)).failure_code == "attempts_exhausted"


async def test_progress_is_that_of_the_attempt_under_way_and_whole_only_at_the_end(
    sessions: Sessions,
) -> None:
    image = await an_image(sessions)
    seen: list[int] = []

    for percent in (40, 140, 70):
        await start(sessions, image)
        await keep(sessions, image, (await row(sessions, image.id)).attempt, percent)
        seen.append((await row(sessions, image.id)).progress)
        await stop(sessions, image, (await row(sessions, image.id)).attempt)
    await keep(sessions, image, 1, 99)
    seen.append((await row(sessions, image.id)).progress)

    assert seen == [40, 99, 70, 70]
