"""A job from its message to its result: done once, whatever is delivered twice or goes away."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from common import messages
from images.domain import jobs
from images.tables import Status
from loupe.images.v1 import images_pb2
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES, list_keys, poll
from tests.images.harness import Harness as ImagesHarness
from tests.inference.conftest import FaultyTriton, doubled
from tests.inference.worker.harness import (
    PHOTO,
    STANDARD,
    Harness,
    PausedTriton,
    a_message,
    ended,
    nowhere,
    was_called,
)
from tests.pixels import opened


async def test_a_job_is_done_and_its_stored_result_is_published(harness: Harness) -> None:
    image = await harness.job()
    await harness.submit(image)

    async with harness.consuming():
        await poll(harness.has_result)
        await poll(harness.has_no_jobs)

    [finished] = await harness.results()
    stored = await harness.images.blobs.get(image.upscaled_path)
    assert (finished.image_id, finished.fence, finished.upscaled_path) == (image.id, 1, image.upscaled_path)
    assert finished.output.bytes == len(stored)
    assert finished.output.seconds > 0
    assert (opened(stored).format, opened(stored).size) == ("PNG", (48, 32))
    nearest = Image.fromarray(np.asarray(opened(PHOTO)).repeat(2, 0).repeat(2, 1))
    assert opened(stored).tobytes() == nearest.tobytes()


async def test_a_job_delivered_twice_is_done_once(harness: Harness, faulty: FaultyTriton) -> None:
    image = await harness.job()
    await harness.do(image)
    async with harness.images.sessions.begin() as session:
        await jobs.finish(session, (await harness.results())[0], RULES)

    await harness.do(image)

    assert len(await harness.results()) == 1
    assert faulty.requests == 1
    assert (await harness.row(image)).status == Status.COMPLETED


@pytest.mark.parametrize("data", [b"no picture", PHOTO[:60], b""])
async def test_an_image_that_cannot_be_decoded_fails_for_good(
    harness: Harness, faulty: FaultyTriton, data: bytes
) -> None:
    image = await harness.job(data)
    await harness.submit(image)

    async with harness.consuming():
        await poll(harness.has_result)
        await poll(harness.has_no_jobs)

    [finished] = await harness.results()
    assert (finished.failure.code, finished.failure.retryable) == ("undecodable", False)
    assert finished.failure.message
    assert not finished.HasField("output")
    assert faulty.requests == 0
    assert await list_keys(harness.images) == [image.original_path]


async def test_a_job_that_needs_no_work_is_acknowledged(harness: Harness, faulty: FaultyTriton) -> None:
    deleted = await harness.job(status=Status.COMPLETED)
    await harness.submit(deleted)
    await harness.js.publish(
        "images.queued.priority", images_pb2.ImageSubmitted(image_id=987).SerializeToString()
    )

    async with harness.consuming():
        await poll(harness.has_no_jobs)

    assert await harness.results() == []
    assert faulty.requests == 0


async def test_a_busy_image_is_retried_later(harness: Harness, faulty: FaultyTriton) -> None:
    faulty.answer = paused = PausedTriton()
    image = await harness.job()
    working = asyncio.create_task(harness.do(image))
    await paused.is_called()

    with pytest.raises(messages.RetryLater):
        await harness.do(image)
    paused.resumed.set()
    await working

    assert len(await harness.results()) == 1


async def test_a_job_longer_than_ack_wait_is_delivered_once(harness: Harness, faulty: FaultyTriton) -> None:
    faulty.answer = paused = PausedTriton()
    image = await harness.job()
    await harness.submit(image)

    async with harness.consuming(ack_wait_seconds=0.5):
        await paused.is_called()
        with contextlib.suppress(TimeoutError):
            await poll(lambda: was_called(faulty, 2), seconds=2)
        paused.resumed.set()
        await poll(harness.has_result)
        await poll(harness.has_no_jobs)

    assert faulty.requests == 1
    assert (await harness.row(image)).attempt == 1
    assert len(await harness.results()) == 1


async def test_a_worker_that_is_stopped_hands_its_image_on_at_once(
    harness: Harness, faulty: FaultyTriton
) -> None:
    faulty.answer = paused = PausedTriton()
    image = await harness.job()
    await harness.submit(image)
    async with harness.consuming(ack_wait_seconds=30) as first:
        await paused.is_called()
        await ended(first)
    stopped = await harness.row(image)

    faulty.answer = doubled
    async with harness.consuming(ack_wait_seconds=30):
        await poll(harness.has_result, seconds=10)

    assert (stopped.attempt, stopped.excused, stopped.heartbeat_at) == (1, 1, None)
    assert [finished.fence for finished in await harness.results()] == [2]


async def test_a_result_that_is_published_twice_is_in_the_stream_once(harness: Harness) -> None:
    finished = inference_pb2.Finished(image_id=5, fence=2)

    for _ in range(3):
        await harness.worker.publish(finished)
    await harness.worker.publish(inference_pb2.Finished(image_id=5, fence=3))

    assert [one.fence for one in await harness.results()] == [2, 3]


async def test_while_the_images_service_is_away_no_attempt_begins(harness: Harness) -> None:
    image = await harness.job()
    worker = replace(harness.worker, images=nowhere(harness.images))

    with pytest.raises(messages.RetryLater):
        await worker.handle(a_message(image), STANDARD)

    assert (await harness.row(image)).attempt == 0


async def test_work_goes_on_while_the_images_service_is_away(harness: Harness, faulty: FaultyTriton) -> None:
    """The service starts the work, and then cannot be reached for heartbeats."""
    faulty.answer = paused = PausedTriton()
    image = await harness.job()
    unreachable = UnreachableImages(harness.images)
    working = asyncio.create_task(
        replace(harness.worker, images=unreachable).handle(a_message(image), STANDARD)
    )  # pyright: ignore[reportArgumentType]
    await paused.is_called()

    await poll(unreachable.was_tried)
    paused.resumed.set()
    await asyncio.wait_for(working, 20)

    assert [one.HasField("output") for one in await harness.results()] == [True]


class UnreachableImages:
    """The real service for the start of work, and a closed port for every later call."""

    def __init__(self, images_harness: ImagesHarness) -> None:
        self._away = nowhere(images_harness)
        self._tried = 0
        self.StartWork = images_harness.service().StartWork
        self.StopWork = self._away.StopWork

    async def KeepWorking(self, request: images_pb2.KeepWorkingRequest) -> Any:
        self._tried += 1
        return await self._away.KeepWorking(request)

    async def was_tried(self) -> bool:
        return self._tried >= 2
