"""How images are queued: a window for each user, a queue for each class, and lost images again."""

import asyncio
from datetime import timedelta

from common.db import Sessions, now
from images.domain import library, lost_jobs
from images.tables import Status
from tests.images.harness import RULES, an_image, events, row
from tests.images.job_steps import JANE, OMAR, delete, dispatch, finish, keep, queued, silence, start, stop

LONG_AGO = timedelta(hours=1)


async def test_a_user_has_no_more_images_in_the_stream_than_the_window(sessions: Sessions) -> None:
    images = [await an_image(sessions) for _ in range(5)]

    for _ in range(3):
        await dispatch(sessions)

    assert sorted(await queued(sessions)) == [image.id for image in images[:2]]


async def test_simultaneous_uploads_do_not_widen_the_window(sessions: Sessions) -> None:
    for _ in range(8):
        await an_image(sessions)

    await asyncio.gather(*(dispatch(sessions) for _ in range(8)))

    assert len(await queued(sessions)) == 2


async def test_the_next_image_follows_when_one_ends(sessions: Sessions) -> None:
    images = [await an_image(sessions) for _ in range(5)]
    await dispatch(sessions)

    await start(sessions, images[0])
    await finish(sessions, images[0], 1)
    third = await queued(sessions)
    await start(sessions, images[1])
    await finish(sessions, images[1], 1, failure="undecodable")
    fourth = await queued(sessions)
    await delete(sessions, images[2])

    assert sorted(third) == [image.id for image in images[:3]]
    assert sorted(fourth) == [image.id for image in images[:4]]
    assert sorted(await queued(sessions)) == [image.id for image in images]


async def test_images_in_work_still_count_for_the_window(sessions: Sessions) -> None:
    images = [await an_image(sessions) for _ in range(3)]
    await dispatch(sessions)

    await start(sessions, images[0])
    await dispatch(sessions)

    assert len(await queued(sessions)) == 2


async def test_the_window_of_one_user_does_not_hold_up_another_user(sessions: Sessions) -> None:
    for _ in range(5):
        await an_image(sessions, JANE)
    await dispatch(sessions, JANE)
    other = await an_image(sessions, OMAR)

    await dispatch(sessions, OMAR)

    assert (await queued(sessions))[-1] == other.id


async def test_a_priority_image_goes_into_its_own_queue(sessions: Sessions) -> None:
    await an_image(sessions, is_priority=True)
    await an_image(sessions)

    await dispatch(sessions)

    assert sorted(subject for subject, _ in await events(sessions)) == [
        "images.queued.priority",
        "images.queued.standard",
    ]


async def test_an_abandoned_image_waits_again(sessions: Sessions) -> None:
    abandoned = await an_image(sessions, JANE, dispatched_at=now() - LONG_AGO)
    alive = await an_image(sessions, OMAR, dispatched_at=now() - LONG_AGO)
    await start(sessions, abandoned)
    await start(sessions, alive)
    await silence(sessions, abandoned, 61)
    await silence(sessions, alive, 59)

    async with sessions.begin() as session:
        users = await lost_jobs.requeue_abandoned(session, RULES)
    await dispatch(sessions)

    assert users == [JANE]
    found = await row(sessions, abandoned.id)
    assert (found.status, found.attempt) == (Status.PENDING, 1)
    assert await queued(sessions) == [abandoned.id]
    assert (await row(sessions, alive.id)).status == Status.PROCESSING


async def test_an_image_that_nobody_took_after_a_stop_is_abandoned_too(sessions: Sessions) -> None:
    image = await an_image(sessions)
    await start(sessions, image)
    await silence(sessions, image, 61)
    await stop(sessions, image, 1)

    async with sessions.begin() as session:
        assert await lost_jobs.requeue_abandoned(session, RULES) == [JANE]

    taken = await start(sessions, image)
    assert taken
    assert taken.attempt == 2


async def test_a_lost_image_is_dispatched_again(sessions: Sessions) -> None:
    lost = await an_image(sessions, JANE, dispatched_at=now() - timedelta(seconds=31))
    fresh = await an_image(sessions, OMAR, dispatched_at=now() - timedelta(seconds=29))
    waiting = await an_image(sessions, OMAR)

    async with sessions.begin() as session:
        users = await lost_jobs.requeue_lost(session, timedelta(seconds=30))
    await dispatch(sessions)

    assert users == [JANE]
    assert await queued(sessions) == [lost.id]
    assert (await row(sessions, fresh.id)).dispatched_at is not None
    assert (await row(sessions, waiting.id)).dispatched_at is None


async def test_a_worker_that_was_believed_lost_owns_its_image_until_another_one_starts(
    sessions: Sessions,
) -> None:
    early, late = await an_image(sessions, JANE), await an_image(sessions, OMAR)
    for image in (early, late):
        await start(sessions, image)
        await silence(sessions, image, 61)
    async with sessions.begin() as session:
        await lost_jobs.requeue_abandoned(session, RULES)

    wanted = await keep(sessions, early, 1)
    await finish(sessions, early, 1)
    await start(sessions, late)
    await finish(sessions, late, 1)

    assert wanted is True
    assert (await row(sessions, early.id)).status == Status.COMPLETED
    assert (await row(sessions, late.id)).status == Status.PROCESSING


async def test_only_reservations_of_unfinished_images_are_renewed_before_they_expire(
    sessions: Sessions,
) -> None:
    soon = now() + timedelta(minutes=10)
    waiting = await an_image(sessions, reserved_until=soon)
    working = await an_image(sessions, reserved_until=soon, status=Status.PROCESSING)
    await an_image(sessions, reserved_until=soon, status=Status.COMPLETED)
    await an_image(sessions, reserved_until=now() + LONG_AGO)

    async with sessions.begin() as session:
        found = await library.expiring_reservations(session, timedelta(minutes=30), 10)
        await library.set_reserved_until(session, found, now() + LONG_AGO)

    async with sessions.begin() as session:
        assert set(found) == {waiting.reservation_id, working.reservation_id}
        assert await library.expiring_reservations(session, timedelta(minutes=30), 10) == []
