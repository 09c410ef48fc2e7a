"""The order of jobs: priority jobs, but every fifth one from another queue, and nobody waits for ever."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from nats.js import JetStreamContext

from images.tables import Image as Row
from images.tables import Status
from inference.events import Queues
from loupe.images.v1 import images_pb2
from tests.images.harness import poll
from tests.inference.conftest import FaultyTriton
from tests.inference.worker.harness import Harness, PausedTriton


async def some_jobs(harness: Harness, count: int, *, is_priority: bool = False) -> list[Row]:
    return [await harness.job(user_id=number + 1, is_priority=is_priority) for number in range(count)]


async def work_off(harness: Harness, results: int) -> list[int]:
    """Let one worker do all jobs, and return the images in the order of their results."""

    async def is_over() -> bool:
        return len(await harness.results()) == results and await harness.has_no_jobs()

    async with harness.consuming():
        await poll(is_over)
    return [result.image_id for result in await harness.results()]


def places(order: Sequence[int], images: Sequence[Row]) -> list[int]:
    return [order.index(image.id or 0) for image in images]


async def test_a_priority_job_goes_first_and_nobody_is_forgotten(harness: Harness) -> None:
    standard = await some_jobs(harness, 2)
    [priority] = await some_jobs(harness, 1, is_priority=True)
    for image in (*standard, priority):
        await harness.submit(image)

    order = await work_off(harness, results=3)

    assert order == [image.id for image in (priority, *standard)]
    assert {(await harness.row(image)).attempt for image in (*standard, priority)} == {1}


async def test_every_fifth_job_is_a_standard_job_however_many_priority_jobs_wait(
    harness: Harness,
) -> None:
    standard = await some_jobs(harness, 2)
    priority = await some_jobs(harness, 12, is_priority=True)
    for image in (*standard, *priority):
        await harness.submit(image)

    order = await work_off(harness, results=14)

    assert places(order, standard) == [4, 9]
    assert [one for one in order if one not in {image.id for image in standard}] == [
        image.id for image in priority
    ]


async def test_images_that_need_no_work_use_up_no_turn(harness: Harness) -> None:
    """Neither cancelled priority images, nor a cancelled standard image when it is that queue's turn."""
    cancelled = [await harness.job(status=Status.FAILED, is_priority=number < 5) for number in range(6)]
    [standard] = await some_jobs(harness, 1)
    priority = await some_jobs(harness, 6, is_priority=True)
    for image in (*cancelled, standard, *priority):
        await harness.submit(image)

    order = await work_off(harness, results=7)

    assert places(order, [standard]) == [4]


async def test_jobs_of_the_release_before_and_standard_jobs_take_turns(
    harness: Harness, js_before: JetStreamContext
) -> None:
    before, standard = await some_jobs(harness, 3), await some_jobs(harness, 3)
    priority = await some_jobs(harness, 8, is_priority=True)
    for image in before:
        await harness.submit_as_before(image)
    for image in (*standard, *priority):
        await harness.submit(image)

    order = await work_off(harness, results=14)

    assert places(order, before) == [4, 10, 12]
    assert places(order, standard) == [9, 11, 13]


async def test_a_priority_job_for_another_worker_holds_up_nobody(harness: Harness) -> None:
    """Another worker has the model for which the priority image asks."""
    offers = [images_pb2.AnnounceModelsRequest.Offer(name="enhance", nets=["realesr_general_x4v3"])]
    await harness.images.service().AnnounceModels(images_pb2.AnnounceModelsRequest(models=offers))
    priority = await harness.job(is_priority=True, model_asked="enhance")
    standard = await harness.job(user_id=2)
    for image in (priority, standard):
        await harness.submit(image)

    async with harness.consuming():
        await poll(harness.has_result)

    assert [result.image_id for result in await harness.results()] == [standard.id]
    assert (await harness.row(priority)).attempt == 0
    assert await harness.count_jobs("QUEUE") >= 1


async def test_a_worker_that_stops_leaves_the_jobs_of_both_queues(
    harness: Harness, faulty: FaultyTriton
) -> None:
    faulty.answer = paused = PausedTriton()
    [standard], [priority] = (
        await some_jobs(harness, 1),
        await some_jobs(harness, 1, is_priority=True),
    )
    for image in (standard, priority):
        await harness.submit(image)

    async with harness.consuming(ack_wait_seconds=3600):
        await paused.is_called()

    given_back, untouched = await harness.row(priority), await harness.row(standard)
    assert (given_back.attempt, given_back.excused, given_back.heartbeat_at) == (1, 1, None)
    assert (untouched.attempt, untouched.status) == (0, Status.PENDING)
    assert await harness.count_jobs("QUEUE") == 2
    paused.resumed.set()
    assert set(await work_off(harness, results=2)) == {priority.id, standard.id}


@pytest.mark.parametrize("places_at_once", [1, 2, 5, 7])
def test_places_that_start_jobs_together_skip_no_turn(places_at_once: int) -> None:
    """Each place has asked for its next job before any of these jobs starts."""
    queues = Queues(ack_wait_seconds=1.0)
    started = list[str]()

    for _ in range(20):
        chosen = [queues.preference()[0] for _ in range(places_at_once)]
        for queue in chosen:
            queues.count_start(queue)
        started += [queue.durable for queue in chosen]

    for durable in ("inference", "inference-standard"):
        gaps = [number for number, name in enumerate(started) if name == durable]
        assert gaps
        assert max(later - earlier for earlier, later in pairwise(gaps)) <= 12 * places_at_once


async def test_places_of_one_worker_share_both_queues(harness: Harness) -> None:
    jobs = [*await some_jobs(harness, 3), *await some_jobs(harness, 3, is_priority=True)]

    async with harness.consuming(parallel=2):
        await asyncio.gather(*(harness.submit(image) for image in jobs))
        await poll(harness.has_no_jobs)

    assert sorted(result.image_id for result in await harness.results()) == [image.id for image in jobs]
    assert {(await harness.row(image)).attempt for image in jobs} == {1}
