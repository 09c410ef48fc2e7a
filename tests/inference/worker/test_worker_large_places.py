"""Large images have places, and small ones are done beside them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from common.messages import Consumer, NoRoom
from images.tables import Image as Row
from images.tables import Status
from inference.events import Queues
from inference.large_places import LargePlaces
from loupe.images.v1 import images_pb2
from tests.images.harness import poll
from tests.inference.conftest import FaultyTriton
from tests.inference.worker.harness import PRIORITY, STANDARD, Harness, PausedTriton, was_called
from tests.pixels import encoded


@asynccontextmanager
async def holding(places: LargePlaces, queue: Consumer, order: list[str]) -> AsyncGenerator[asyncio.Event]:
    """Take a place in the background, and note the queue once it is taken. The event ends it."""
    end = asyncio.Event()

    async def hold() -> None:
        async with places.take(queue):
            order.append(queue.durable)
            await end.wait()

    task = asyncio.create_task(hold())
    await asyncio.sleep(0)
    yield end
    end.set()
    await asyncio.gather(task, return_exceptions=True)


async def submit(harness: Harness, image: Row, *, is_small: bool) -> None:
    event = images_pb2.ImageSubmitted(image_id=image.id or 0, is_small=is_small)
    await harness.js.publish("images.queued.standard", event.SerializeToString())


async def is_working(harness: Harness, image: Row) -> bool:
    return (await harness.row(image)).status == Status.PROCESSING


@pytest.fixture
def crowded(harness: Harness, faulty: FaultyTriton) -> tuple[Harness, PausedTriton]:
    """Return a worker with one place, and its Triton, which waits."""
    faulty.answer = paused = PausedTriton()
    places = LargePlaces(1, harness.worker.queues.preference, held_seconds=0.2)
    return replace(harness, worker=replace(harness.worker, large_places=places)), paused


async def test_a_small_image_starts_while_all_places_have_large_ones(
    crowded: tuple[Harness, PausedTriton],
) -> None:
    harness, paused = crowded
    large = [await harness.job() for _ in range(2)]
    small = await harness.job(user_id=2)

    async with harness.consuming(parallel=3):
        await submit(harness, large[0], is_small=False)
        await poll(lambda: is_working(harness, large[0]))
        await submit(harness, large[1], is_small=False)
        await submit(harness, small, is_small=True)
        await poll(lambda: is_working(harness, small))
        waits = await harness.row(large[1])
        paused.resumed.set()
        await poll(harness.has_no_jobs)

    assert (waits.status, waits.attempt) == (Status.PENDING, 0)
    assert {(await harness.row(image)).attempt for image in (*large, small)} == {1}


async def test_a_small_image_is_at_triton_beside_the_first_tile_of_a_large_one(
    crowded: tuple[Harness, PausedTriton], faulty: FaultyTriton
) -> None:
    harness, paused = crowded
    wide = encoded(Image.effect_noise((400, 64), 80).convert("RGB"), "PNG")
    size = {"original_width": 400, "original_height": 64, "upscaled_width": 800, "upscaled_height": 128}
    large, small = await harness.job(wide, **size), await harness.job(user_id=2)
    shapes = list[tuple[int, ...]]()

    async def record(request: Any, context: Any) -> Any:
        shapes.append(tuple(request.inputs[0].shape[2:]))
        return await paused(request, context)

    faulty.answer = record
    async with harness.consuming(parallel=3):
        await submit(harness, large, is_small=False)
        await paused.is_called()
        await submit(harness, small, is_small=True)
        await poll(lambda: was_called(faulty, 2))
        at_triton = list(shapes)
        paused.resumed.set()
        await poll(harness.has_no_jobs)

    assert [shape[0] for shape in at_triton] == [64, 16]
    assert shapes[2:]


async def test_a_large_image_that_finds_no_place_goes_to_another_worker(
    crowded: tuple[Harness, PausedTriton],
) -> None:
    harness, paused = crowded
    first, second = await harness.job(), await harness.job()
    places = LargePlaces(1, harness.worker.queues.preference)
    other = replace(harness, worker=replace(harness.worker, large_places=places))

    async with harness.consuming(parallel=2, ack_wait_seconds=3600):
        await submit(harness, first, is_small=False)
        await poll(lambda: is_working(harness, first))
        await submit(harness, second, is_small=False)
        async with other.consuming(parallel=1, ack_wait_seconds=3600):
            await poll(lambda: is_working(harness, second))
            paused.resumed.set()
            await poll(harness.has_no_jobs)

    assert {(await harness.row(image)).attempt for image in (first, second)} == {1}


async def test_without_a_free_place_a_large_job_is_given_back() -> None:
    places = LargePlaces(1, lambda: (PRIORITY, STANDARD), held_seconds=0.01)

    async with holding(places, STANDARD, []):
        with pytest.raises(NoRoom):
            async with places.take(STANDARD):
                raise AssertionError

    async with places.take(STANDARD):
        pass


async def test_a_free_place_goes_to_the_priority_queue_and_every_fifth_to_the_other() -> None:
    queues = Queues(ack_wait_seconds=1.0)
    places, order = LargePlaces(1, queues.preference, held_seconds=60), list[str]()

    async def work(queue: Consumer) -> None:
        async with places.take(queue):
            order.append(queue.durable)
            queues.count_start(queue)
            await asyncio.sleep(0)

    waiting = [queues.standard] * 2 + [queues.priority] * 9
    async with holding(places, queues.standard, []) as end:
        tasks = [asyncio.create_task(work(queue)) for queue in waiting]
        await asyncio.sleep(0)
        end.set()
        await asyncio.gather(*tasks)

    assert [place for place, durable in enumerate(order) if durable == "inference-standard"] == [4, 9]


async def test_a_cancelled_job_leaves_its_place_to_the_next_one() -> None:
    places, order = LargePlaces(1, lambda: (PRIORITY, STANDARD), held_seconds=60), list[str]()
    async with holding(places, PRIORITY, []) as end:
        cancelled = asyncio.create_task(places._acquire(PRIORITY))
        await asyncio.sleep(0)
        async with holding(places, STANDARD, order):
            cancelled.cancel()
            end.set()
            async with asyncio.timeout(20):
                while not order:
                    await asyncio.sleep(0)

    assert order == ["inference-standard"]
