"""Images are queued with a window for each user, a queue for each priority, and lost images once more."""

import asyncio
from datetime import timedelta

from common.db import Sessions, now
from images.domain import library, lost_jobs
from images.tables import Status
from tests.images.harness import RULES, insert_image, read_events, read_image
from tests.images.job_steps import (
    JANE,
    OMAR,
    delete,
    dispatch,
    finish,
    read_queued_ids,
    send_heartbeat,
    set_heartbeat_age,
    start,
    stop,
)

LONG_AGO = timedelta(hours=1)


async def test_a_user_has_no_more_images_in_the_stream_than_the_window(sessions: Sessions) -> None:
    images = [await insert_image(sessions) for _ in range(5)]

    for _ in range(3):
        await dispatch(sessions)

    assert sorted(await read_queued_ids(sessions)) == [image.id for image in images[:2]]


async def test_simultaneous_uploads_do_not_widen_the_window(sessions: Sessions) -> None:
    for _ in range(8):
        await insert_image(sessions)

    await asyncio.gather(*(dispatch(sessions) for _ in range(8)))

    assert len(await read_queued_ids(sessions)) == 2


async def test_the_next_image_follows_when_one_ends(sessions: Sessions) -> None:
    images = [await insert_image(sessions) for _ in range(5)]
    await dispatch(sessions)

    await start(sessions, images[0])
    await finish(sessions, images[0], 1)
    after_first = await read_queued_ids(sessions)
    await start(sessions, images[1])
    await finish(sessions, images[1], 1, failure="undecodable")
    after_second = await read_queued_ids(sessions)
    await delete(sessions, images[2])

    assert sorted(after_first) == [image.id for image in images[:3]]
    assert sorted(after_second) == [image.id for image in images[:4]]
    assert sorted(await read_queued_ids(sessions)) == [image.id for image in images]


async def test_images_that_are_processing_still_count_for_the_window(sessions: Sessions) -> None:
    images = [await insert_image(sessions) for _ in range(3)]
    await dispatch(sessions)

    await start(sessions, images[0])
    await dispatch(sessions)

    assert len(await read_queued_ids(sessions)) == 2


async def test_the_window_of_one_user_does_not_hold_up_another_user(sessions: Sessions) -> None:
    for _ in range(5):
        await insert_image(sessions, JANE)
    await dispatch(sessions, JANE)
    other = await insert_image(sessions, OMAR)

    await dispatch(sessions, OMAR)

    assert (await read_queued_ids(sessions))[-1] == other.id


async def test_a_priority_image_goes_into_its_own_queue(sessions: Sessions) -> None:
    await insert_image(sessions, is_priority=True)
    await insert_image(sessions)

    await dispatch(sessions)

    assert sorted(subject for subject, _ in await read_events(sessions)) == [
        "images.queued.priority",
        "images.queued.standard",
    ]


async def test_an_abandoned_image_is_pending_and_queued_again(sessions: Sessions) -> None:
    abandoned = await insert_image(sessions, JANE, dispatched_at=now() - LONG_AGO)
    alive = await insert_image(sessions, OMAR, dispatched_at=now() - LONG_AGO)
    await start(sessions, abandoned)
    await start(sessions, alive)
    await set_heartbeat_age(sessions, abandoned, 61)
    await set_heartbeat_age(sessions, alive, 59)

    async with sessions.begin() as session:
        users = await lost_jobs.requeue_abandoned(session, RULES)
    await dispatch(sessions)

    assert users == [JANE]
    found = await read_image(sessions, abandoned.id)
    assert (found.status, found.attempt) == (Status.PENDING, 1)
    assert await read_queued_ids(sessions) == [abandoned.id]
    assert (await read_image(sessions, alive.id)).status == Status.PROCESSING


async def test_a_stopped_image_that_no_worker_starts_again_is_abandoned_too(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)
    await set_heartbeat_age(sessions, image, 61)
    await stop(sessions, image, 1)

    async with sessions.begin() as session:
        assert await lost_jobs.requeue_abandoned(session, RULES) == [JANE]

    restarted = await start(sessions, image)
    assert restarted
    assert restarted.attempt == 2


async def test_a_lost_image_is_dispatched_again(sessions: Sessions) -> None:
    lost = await insert_image(sessions, JANE, dispatched_at=now() - timedelta(seconds=31))
    fresh = await insert_image(sessions, OMAR, dispatched_at=now() - timedelta(seconds=29))
    waiting = await insert_image(sessions, OMAR)

    async with sessions.begin() as session:
        users = await lost_jobs.requeue_lost(session, timedelta(seconds=30))
    await dispatch(sessions)

    assert users == [JANE]
    assert await read_queued_ids(sessions) == [lost.id]
    assert (await read_image(sessions, fresh.id)).dispatched_at is not None
    assert (await read_image(sessions, waiting.id)).dispatched_at is None


async def test_a_silent_worker_owns_its_image_until_another_worker_starts(
    sessions: Sessions,
) -> None:
    early, late = await insert_image(sessions, JANE), await insert_image(sessions, OMAR)
    for image in (early, late):
        await start(sessions, image)
        await set_heartbeat_age(sessions, image, 61)
    async with sessions.begin() as session:
        await lost_jobs.requeue_abandoned(session, RULES)

    wanted = await send_heartbeat(sessions, early, 1)
    await finish(sessions, early, 1)
    await start(sessions, late)
    await finish(sessions, late, 1)

    assert wanted is True
    assert (await read_image(sessions, early.id)).status == Status.COMPLETED
    assert (await read_image(sessions, late.id)).status == Status.PROCESSING


async def test_only_reservations_of_unfinished_images_are_renewed_before_they_expire(
    sessions: Sessions,
) -> None:
    soon = now() + timedelta(minutes=10)
    waiting = await insert_image(sessions, reserved_until=soon)
    working = await insert_image(sessions, reserved_until=soon, status=Status.PROCESSING)
    await insert_image(sessions, reserved_until=soon, status=Status.COMPLETED)
    await insert_image(sessions, reserved_until=now() + LONG_AGO)

    async with sessions.begin() as session:
        found = await library.expiring_reservations(session, timedelta(minutes=30), 10)
        await library.set_reserved_until(session, found, now() + LONG_AGO)

    async with sessions.begin() as session:
        assert set(found) == {waiting.reservation_id, working.reservation_id}
        assert await library.expiring_reservations(session, timedelta(minutes=30), 10) == []
