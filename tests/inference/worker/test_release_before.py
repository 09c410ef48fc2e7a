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
from tests.images.images_rig import RULES, poll
from tests.inference.worker import release_before
from tests.inference.worker.bench import Bench, ended
from tests.inference.worker.release_before import OldWorker


@pytest.fixture
def old_worker(bench: Bench, js_before: JetStreamContext) -> OldWorker:
    return OldWorker(bench.rig, js_before)


@contextlib.asynccontextmanager
async def applying_results(bench: Bench) -> AsyncGenerator[None]:
    results = events.Results(bench.rig.sessions, bench.rig.blobs, RULES)
    consuming = asyncio.create_task(bus.consume(bench.js, events.FINISHED, results.finished))
    yield
    await ended(consuming)


async def dispatch(bench: Bench, images: Iterable[Row]) -> None:
    for image in images:
        async with bench.rig.sessions.begin() as session:
            await jobs.lock_user(session, image.user_id)
            await jobs.dispatch(session, image.user_id, RULES)


async def pass_time(bench: Bench, time: timedelta) -> None:
    async with bench.rig.sessions.begin() as session:
        await session.exec(update(Row).values(dispatched_at=col(Row.dispatched_at) - time))


async def are_completed(bench: Bench, images: Iterable[Row]) -> bool:
    return all([(await bench.row(image)).status == Status.COMPLETED for image in images])


async def test_a_new_worker_does_the_jobs_of_the_release_before(
    bench: Bench, js_before: JetStreamContext
) -> None:
    images = [await bench.job(user_id=number, is_priority=number == 2) for number in (1, 2, 3)]
    for image in images:
        await bench.submit_as_before(image)

    async with applying_results(bench), bench.consuming():
        await poll(lambda: are_completed(bench, images))
        await poll(bench.has_no_jobs)

    assert [(await bench.row(image)).attempt for image in images] == [1, 1, 1]


async def test_old_and_new_workers_share_the_jobs_of_the_release_before(
    bench: Bench, old_worker: OldWorker
) -> None:
    images = [await bench.job(user_id=number) for number in range(1, 9)]
    for image in images:
        await bench.submit_as_before(image)

    async with applying_results(bench), old_worker.running(), bench.consuming():
        await poll(lambda: are_completed(bench, images))
        await poll(bench.has_no_jobs)

    assert {(await bench.row(image)).attempt for image in images} == {1}


async def test_a_new_worker_needs_no_new_stream_while_images_is_of_the_release_before(
    bench: Bench, js_before: JetStreamContext
) -> None:
    await bench.js.delete_stream("QUEUE")
    image = await bench.job()
    await bench.submit_as_before(image)

    async with applying_results(bench), bench.consuming():
        await poll(lambda: are_completed(bench, [image]))
        await poll(bench.has_no_jobs)
        await bus.declare(bench.js, events.QUEUE)
        later = await bench.job()
        await bench.submit(later)
        await poll(lambda: are_completed(bench, [later]))


async def test_new_jobs_wait_for_a_new_worker_while_only_old_ones_run(
    bench: Bench, old_worker: OldWorker, stores: Stores
) -> None:
    before = await bench.job(user_id=9, dispatched_at=now())
    images = [await bench.job(user_id=number, is_priority=number == 2) for number in (1, 2)]

    async with applying_results(bench), bench.relaying(stores), old_worker.running():
        await dispatch(bench, images)
        await poll(lambda: holds(bench, 2))
        await bench.submit_as_before(before)
        await poll(lambda: are_completed(bench, [before]))
        async with bench.consuming():
            await poll(lambda: are_completed(bench, images))
            await poll(bench.has_no_jobs)

    assert old_worker.received == [before.id]
    assert {(await bench.row(image)).attempt for image in images} == {1}


async def holds(bench: Bench, count: int) -> bool:
    return await bench.count_jobs("QUEUE") == count


async def test_an_old_worker_that_would_take_another_image_gets_that_of_its_message(
    bench: Bench, old_worker: OldWorker
) -> None:
    standard = await bench.job(dispatched_at=now())
    await bench.job(user_id=2, is_priority=True, dispatched_at=now() - timedelta(minutes=1))

    request = images_pb2.StartWorkRequest(image_id=standard.id or 0, takes_another=True)
    response = await bench.rig.service().StartWork(request)

    assert response.order.image_id == standard.id


@pytest.mark.parametrize("holds_old_jobs", [False, True], ids=["empty", "busy"])
async def test_a_rollback_leaves_no_job_behind(
    bench: Bench, old_worker: OldWorker, stores: Stores, holds_old_jobs: bool
) -> None:
    """The old sweeper finds the images: at once if its stream is empty, and otherwise after half an hour."""
    images = [await bench.job(user_id=number, is_priority=number == 2) for number in (1, 2, 3)]
    old = [await bench.job(user_id=9, dispatched_at=now())] if holds_old_jobs else []
    for image in old:
        await bench.submit_as_before(image)

    async with applying_results(bench), bench.relaying(stores):
        await dispatch(bench, images)
        await poll(lambda: holds(bench, 3))
        await pass_time(bench, timedelta(minutes=31) if holds_old_jobs else timedelta(seconds=31))
        await release_before.sweep(bench.rig.sessions, bench.js)
        async with old_worker.running():
            await poll(lambda: are_completed(bench, [*images, *old]))

    assert {(await bench.row(image)).attempt for image in images} == {1}


async def test_after_a_rollback_the_next_upgrade_finds_nothing_to_do_in_the_new_stream(
    bench: Bench, old_worker: OldWorker, stores: Stores
) -> None:
    image = await bench.job()

    async with applying_results(bench), bench.relaying(stores):
        await dispatch(bench, [image])
        await poll(lambda: holds(bench, 1))
        await pass_time(bench, timedelta(seconds=31))
        await release_before.sweep(bench.rig.sessions, bench.js)
        async with old_worker.running():
            await poll(lambda: are_completed(bench, [image]))
        async with bench.consuming():
            await poll(bench.has_no_jobs)

    assert (await bench.row(image)).attempt == 1
