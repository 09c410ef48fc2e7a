"""Work stops when its image was cancelled, deleted, or given to another worker."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from images.domain import batches, jobs, library
from loupe.images.v1 import images_pb2
from loupe_local.stores import Stores
from tests.images.harness import RULES, insert_batch, list_keys, poll
from tests.images.harness import Harness as ImagesHarness
from tests.inference.conftest import FaultyTriton
from tests.inference.worker.harness import STANDARD, Harness, PausedTriton, a_message


async def test_work_on_a_deleted_image_stops_without_a_result(harness: Harness, faulty: FaultyTriton) -> None:
    faulty.answer = paused = PausedTriton()
    image = await harness.job()
    await harness.submit(image)

    async with harness.consuming():
        await paused.is_called()
        async with harness.images.sessions.begin() as session:
            await library.delete(session, image.user_id, image.id or 0, RULES)
        await poll(harness.has_no_jobs)

    assert await harness.results() == []
    assert image.upscaled_path not in await list_keys(harness.images)


@pytest.mark.parametrize("is_in_a_batch", [False, True], ids=["deleted", "cancelled"])
async def test_a_cancellation_stops_the_work_before_the_next_heartbeat(
    harness: Harness, faulty: FaultyTriton, stores: Stores, is_in_a_batch: bool
) -> None:
    faulty.answer = paused = PausedTriton()
    batch, _ = await insert_batch(harness.images.sessions, count=0, total_images=1)
    image = await harness.job(batch_id=batch.id if is_in_a_batch else None)
    rarely = replace(harness.worker, heartbeat_seconds=3600.0)
    working = asyncio.create_task(rarely.handle(a_message(image), STANDARD))
    await paused.is_called()

    async with harness.hearing(rarely, stores):
        async with harness.images.sessions.begin() as session:
            if is_in_a_batch:
                await batches.cancel_or_delete(session, image.user_id, batch.id or 0, RULES)
            else:
                await library.delete(session, image.user_id, image.id or 0, RULES)
        await asyncio.wait_for(working, 20)

    assert await harness.results() == []


async def test_a_late_cancellation_does_not_stop_an_image_that_is_wanted_again(
    harness: Harness, faulty: FaultyTriton, stores: Stores
) -> None:
    faulty.answer = paused = PausedTriton()
    image, other = await harness.job(), await harness.job()
    images = CountingImages(harness.images)
    rarely = replace(harness.worker, heartbeat_seconds=3600.0, images=images)  # pyright: ignore[reportArgumentType]
    working = asyncio.create_task(rarely.handle(a_message(image), STANDARD))
    await paused.is_called()

    async with harness.hearing(rarely, stores):
        for cancelled in (other, image):
            event = images_pb2.ImageEnded(image_id=cancelled.id or 0)
            await harness.js.publish("images.cancelled", event.SerializeToString())
        await poll(images.has_heartbeat)
        paused.resumed.set()
        await asyncio.wait_for(working, 20)

    assert images.heartbeats == [image.id]
    assert [one.HasField("output") for one in await harness.results()] == [True]


class CountingImages:
    """The real service, which also records the images for which a heartbeat arrived."""

    def __init__(self, images_harness: ImagesHarness) -> None:
        self._images = images_harness.service()
        self.heartbeats = list[int]()
        self.StartWork, self.StopWork = self._images.StartWork, self._images.StopWork

    async def KeepWorking(self, request: images_pb2.KeepWorkingRequest) -> Any:
        self.heartbeats.append(request.image_id)
        return await self._images.KeepWorking(request)

    async def has_heartbeat(self) -> bool:
        return bool(self.heartbeats)


async def test_a_worker_stops_when_another_worker_has_its_image(
    harness: Harness, faulty: FaultyTriton
) -> None:
    faulty.answer = paused = PausedTriton()
    image = await harness.job()
    working = asyncio.create_task(harness.do(image))
    await paused.is_called()

    async with harness.images.sessions.begin() as session:
        await jobs.start(session, image.id or 0, replace(RULES, silent_after=timedelta(0)))
    await asyncio.wait_for(working, 10)

    assert await harness.results() == []
    assert (await harness.row(image)).attempt == 2
