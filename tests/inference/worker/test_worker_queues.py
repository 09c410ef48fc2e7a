"""Which job comes first: priority jobs, but every fifth one from another queue, and nobody waits for ever."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from nats.js import JetStreamContext

from images.tables import Image as Row
from images.tables import Status
from inference.events import Queues
from loupe.images.v1 import images_pb2
from tests.images.images_rig import poll
from tests.inference.conftest import FaultyTriton
from tests.inference.worker.bench import Bench, PausedTriton


async def some_jobs(bench: Bench, count: int, *, is_priority: bool = False) -> list[Row]:
    return [await bench.job(user_id=number + 1, is_priority=is_priority) for number in range(count)]


async def work_off(bench: Bench, results: int) -> list[int]:
    """Let one worker do all jobs, and return the images in the order of their results."""

    async def is_over() -> bool:
        return len(await bench.results()) == results and await bench.has_no_jobs()

    async with bench.consuming():
        await poll(is_over)
    return [result.image_id for result in await bench.results()]


def places(order: Sequence[int], images: Sequence[Row]) -> list[int]:
    return [order.index(image.id or 0) for image in images]


async def test_a_priority_job_goes_first_and_nobody_is_forgotten(bench: Bench) -> None:
    standard = await some_jobs(bench, 2)
    [priority] = await some_jobs(bench, 1, is_priority=True)
    for image in (*standard, priority):
        await bench.submit(image)

    order = await work_off(bench, results=3)

    assert order == [image.id for image in (priority, *standard)]
    assert {(await bench.row(image)).attempt for image in (*standard, priority)} == {1}


async def test_every_fifth_job_is_a_standard_job_however_many_priority_jobs_wait(bench: Bench) -> None:
    standard = await some_jobs(bench, 2)
    priority = await some_jobs(bench, 12, is_priority=True)
    for image in (*standard, *priority):
        await bench.submit(image)

    order = await work_off(bench, results=14)

    assert places(order, standard) == [4, 9]
    assert [one for one in order if one not in {image.id for image in standard}] == [
        image.id for image in priority
    ]


async def test_images_that_need_no_work_use_up_no_turn(bench: Bench) -> None:
    """Neither cancelled priority images, nor a cancelled standard image when it is that queue's turn."""
    cancelled = [await bench.job(status=Status.FAILED, is_priority=number < 5) for number in range(6)]
    [standard] = await some_jobs(bench, 1)
    priority = await some_jobs(bench, 6, is_priority=True)
    for image in (*cancelled, standard, *priority):
        await bench.submit(image)

    order = await work_off(bench, results=7)

    assert places(order, [standard]) == [4]


async def test_jobs_of_the_release_before_and_standard_jobs_take_turns(
    bench: Bench, js_before: JetStreamContext
) -> None:
    before, standard = await some_jobs(bench, 3), await some_jobs(bench, 3)
    priority = await some_jobs(bench, 8, is_priority=True)
    for image in before:
        await bench.submit_as_before(image)
    for image in (*standard, *priority):
        await bench.submit(image)

    order = await work_off(bench, results=14)

    assert places(order, before) == [4, 10, 12]
    assert places(order, standard) == [9, 11, 13]


async def test_a_priority_job_for_another_worker_holds_up_nobody(bench: Bench) -> None:
    """Another worker has the model for which the priority image asks."""
    offers = [images_pb2.AnnounceModelsRequest.Offer(name="enhance", nets=["realesr_general_x4v3"])]
    await bench.rig.service().AnnounceModels(images_pb2.AnnounceModelsRequest(models=offers))
    priority = await bench.job(is_priority=True, model_asked="enhance")
    standard = await bench.job(user_id=2)
    for image in (priority, standard):
        await bench.submit(image)

    async with bench.consuming():
        await poll(bench.has_result)

    assert [result.image_id for result in await bench.results()] == [standard.id]
    assert (await bench.row(priority)).attempt == 0
    assert await bench.count_jobs("QUEUE") >= 1


async def test_a_worker_that_stops_leaves_the_jobs_of_both_queues(bench: Bench, faulty: FaultyTriton) -> None:
    faulty.answer = paused = PausedTriton()
    [standard], [priority] = await some_jobs(bench, 1), await some_jobs(bench, 1, is_priority=True)
    for image in (standard, priority):
        await bench.submit(image)

    async with bench.consuming(ack_wait_seconds=3600):
        await paused.is_called()

    given_back, untouched = await bench.row(priority), await bench.row(standard)
    assert (given_back.attempt, given_back.excused, given_back.heartbeat_at) == (1, 1, None)
    assert (untouched.attempt, untouched.status) == (0, Status.PENDING)
    assert await bench.count_jobs("QUEUE") == 2
    paused.resumed.set()
    assert await work_off(bench, results=2) == [priority.id, standard.id]


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


async def test_places_of_one_worker_share_both_queues(bench: Bench) -> None:
    jobs = [*await some_jobs(bench, 3), *await some_jobs(bench, 3, is_priority=True)]

    async with bench.consuming(parallel=2):
        await asyncio.gather(*(bench.submit(image) for image in jobs))
        await poll(bench.has_no_jobs)

    assert sorted(result.image_id for result in await bench.results()) == [image.id for image in jobs]
    assert {(await bench.row(image)).attempt for image in jobs} == {1}
