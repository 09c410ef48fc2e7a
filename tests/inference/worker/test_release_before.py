"""Upgrade from the release before, and rollback to it: no job is left behind."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta

import pytest
from nats.js import JetStreamContext
from sqlmodel import col, update

from common import bus
from common.db import now
from images import events
from images.domain import jobs
from images.tables import Image as Row
from images.tables import Status
from loupe.images.v1 import images_pb2
from loupe_local.stores import Stores
from tests.images.harness import RULES, poll
from tests.inference.worker import release_before
from tests.inference.worker.harness import Harness, ended
from tests.inference.worker.release_before import OldWorker


@pytest.fixture
def old_worker(harness: Harness, js_before: JetStreamContext) -> OldWorker:
    return OldWorker(harness.images, js_before)


@contextlib.asynccontextmanager
async def applying_results(harness: Harness) -> AsyncGenerator[None]:
    results = events.Results(harness.images.sessions, harness.images.blobs, RULES)
    consuming = asyncio.create_task(bus.consume(harness.js, events.FINISHED, results.apply))
    yield
    await ended(consuming)


async def dispatch(harness: Harness, images: Iterable[Row]) -> None:
    for image in images:
        async with harness.images.sessions.begin() as session:
            await jobs.lock_user(session, image.user_id)
            await jobs.dispatch(session, image.user_id, RULES)


async def pass_time(harness: Harness, time: timedelta) -> None:
    async with harness.images.sessions.begin() as session:
        await session.exec(update(Row).values(dispatched_at=col(Row.dispatched_at) - time))


async def are_completed(harness: Harness, images: Iterable[Row]) -> bool:
    return all([(await harness.row(image)).status == Status.COMPLETED for image in images])


async def test_a_new_worker_does_the_jobs_of_the_release_before(
    harness: Harness, js_before: JetStreamContext
) -> None:
    images = [await harness.job(user_id=number, is_priority=number == 2) for number in (1, 2, 3)]
    for image in images:
        await harness.submit_as_before(image)

    async with applying_results(harness), harness.consuming():
        await poll(lambda: are_completed(harness, images))
        await poll(harness.has_no_jobs)

    assert [(await harness.row(image)).attempt for image in images] == [1, 1, 1]


async def test_old_and_new_workers_share_the_jobs_of_the_release_before(
    harness: Harness, old_worker: OldWorker
) -> None:
    images = [await harness.job(user_id=number) for number in range(1, 9)]
    for image in images:
        await harness.submit_as_before(image)

    async with applying_results(harness), old_worker.running(), harness.consuming():
        await poll(lambda: are_completed(harness, images))
        await poll(harness.has_no_jobs)

    assert {(await harness.row(image)).attempt for image in images} == {1}


async def test_a_new_worker_needs_no_new_stream_while_images_is_of_the_release_before(
    harness: Harness, js_before: JetStreamContext
) -> None:
    await harness.js.delete_stream("QUEUE")
    image = await harness.job()
    await harness.submit_as_before(image)

    async with applying_results(harness), harness.consuming():
        await poll(lambda: are_completed(harness, [image]))
        await poll(harness.has_no_jobs)
        await bus.declare(harness.js, events.QUEUE)
        later = await harness.job()
        await harness.submit(later)
        await poll(lambda: are_completed(harness, [later]))


async def test_new_jobs_wait_for_a_new_worker_while_only_old_ones_run(
    harness: Harness, old_worker: OldWorker, stores: Stores
) -> None:
    before = await harness.job(user_id=9, dispatched_at=now())
    images = [await harness.job(user_id=number, is_priority=number == 2) for number in (1, 2)]

    async with applying_results(harness), harness.relaying(stores), old_worker.running():
        await dispatch(harness, images)
        await poll(lambda: holds(harness, 2))
        await harness.submit_as_before(before)
        await poll(lambda: are_completed(harness, [before]))
        async with harness.consuming():
            await poll(lambda: are_completed(harness, images))
            await poll(harness.has_no_jobs)

    assert old_worker.received == [before.id]
    assert {(await harness.row(image)).attempt for image in images} == {1}


async def holds(harness: Harness, count: int) -> bool:
    return await harness.count_jobs("QUEUE") == count


async def test_an_old_worker_that_would_take_another_image_gets_that_of_its_message(
    harness: Harness, old_worker: OldWorker
) -> None:
    standard = await harness.job(dispatched_at=now())
    await harness.job(user_id=2, is_priority=True, dispatched_at=now() - timedelta(minutes=1))

    request = images_pb2.StartWorkRequest(image_id=standard.id or 0, takes_another=True)
    response = await harness.images.service().StartWork(request)

    assert response.order.image_id == standard.id


@pytest.mark.parametrize("holds_old_jobs", [False, True], ids=["empty", "busy"])
async def test_a_rollback_leaves_no_job_behind(
    harness: Harness, old_worker: OldWorker, stores: Stores, holds_old_jobs: bool
) -> None:
    """The old sweeper finds the images: at once if its stream is empty, and otherwise after half an hour."""
    images = [await harness.job(user_id=number, is_priority=number == 2) for number in (1, 2, 3)]
    old = [await harness.job(user_id=9, dispatched_at=now())] if holds_old_jobs else []
    for image in old:
        await harness.submit_as_before(image)

    async with applying_results(harness), harness.relaying(stores):
        await dispatch(harness, images)
        await poll(lambda: holds(harness, 3))
        await pass_time(harness, timedelta(minutes=31) if holds_old_jobs else timedelta(seconds=31))
        await release_before.sweep(harness.images.sessions, harness.js)
        async with old_worker.running():
            await poll(lambda: are_completed(harness, [*images, *old]))

    assert {(await harness.row(image)).attempt for image in images} == {1}


async def test_after_a_rollback_the_next_upgrade_finds_nothing_to_do_in_the_new_stream(
    harness: Harness, old_worker: OldWorker, stores: Stores
) -> None:
    image = await harness.job()

    async with applying_results(harness), harness.relaying(stores):
        await dispatch(harness, [image])
        await poll(lambda: holds(harness, 1))
        await pass_time(harness, timedelta(seconds=31))
        await release_before.sweep(harness.images.sessions, harness.js)
        async with old_worker.running():
            await poll(lambda: are_completed(harness, [image]))
        async with harness.consuming():
            await poll(harness.has_no_jobs)

    assert (await harness.row(image)).attempt == 1
