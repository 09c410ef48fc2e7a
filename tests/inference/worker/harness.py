"""A worker with real queues, store, decoder and images service. Only its Triton may misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

import nats.js.errors
from nats.js import JetStreamContext
from PIL import Image

from common import bus, outbox
from common.metrics import Readiness
from images.domain import jobs
from images.tables import Image as Row
from inference.events import Queues
from inference.worker import Worker
from loupe.images.v1 import images_pb2
from loupe.inference.v1 import inference_pb2
from loupe_local.stores import Stores
from tests.images.harness import Harness as ImagesHarness
from tests.images.harness import insert_image, read_image
from tests.inference.conftest import FaultyTriton, doubled
from tests.pixels import encoded

PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"), "PNG")
JOBS_BEFORE = bus.stream("JOBS", "images.submitted.*", work_queue=True)
"""The stream of jobs as the release before declares it."""
QUEUES = Queues(ack_wait_seconds=1.0)
PRIORITY, STANDARD = QUEUES.priority, QUEUES.standard


@dataclass
class Harness:
    """A worker, its jobs, and its published results."""

    images: ImagesHarness
    js: JetStreamContext
    worker: Worker

    async def job(self, data: bytes = PHOTO, **fields: Any) -> Row:
        """Store an image and its original, as `images` does before it queues the job."""
        sizes = {"original_width": 24, "original_height": 16, "upscaled_width": 48, "upscaled_height": 32}
        image = await insert_image(self.images.sessions, **(sizes | fields))
        await self.images.blobs.put(image.original_path, data, "image/png")
        return image

    async def do(self, image: Row) -> None:
        """Do the job once, without the queue."""
        await self.worker.handle(a_message(image), STANDARD)

    async def submit(self, image: Row) -> None:
        await self.js.publish(jobs.PRIORITY if image.is_priority else jobs.STANDARD, a_message(image))

    async def submit_as_before(self, image: Row) -> None:
        """Queue the job as the release before did."""
        queue = "priority" if image.is_priority else "standard"
        await self.js.publish(f"images.submitted.{queue}", a_message(image))

    @contextlib.asynccontextmanager
    async def consuming(
        self, ack_wait_seconds: float = 1.0, parallel: int = 1
    ) -> AsyncGenerator[asyncio.Task[None]]:
        """Run the worker's loop."""
        queues = Queues(ack_wait_seconds, longest_pause_seconds=0.1)
        handle = replace(self.worker, queues=queues).handle
        loop = bus.consume_by_preference(self.js, queues.preference, handle, parallel=parallel)
        consuming = asyncio.create_task(loop)
        yield consuming
        await ended(consuming)

    @contextlib.asynccontextmanager
    async def relaying(self, stores: Stores) -> AsyncGenerator[None]:
        """Publish what `images` has in its outbox."""
        url = stores.database_url("images")
        relaying = asyncio.create_task(outbox.relay(self.images.sessions, self.images.js, url))
        yield
        await ended(relaying)

    @contextlib.asynccontextmanager
    async def hearing(self, worker: Worker, stores: Stores) -> AsyncGenerator[None]:
        """Publish what `images` has in its outbox. The worker hears cancellations, as in its process."""
        async with (
            self.relaying(stores),
            bus.connection(stores.nats_url("operator"), "tests", Readiness()) as client,
        ):
            await client.subscribe("images.cancelled", cb=worker.cancellations.receive)
            await client.flush()
            yield

    async def results(self) -> list[inference_pb2.Finished]:
        """Return every result in the stream, oldest first."""
        state = (await self.js.stream_info("RESULTS")).state
        numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        messages = [await self.js.get_msg("RESULTS", number) for number in numbers]
        return [inference_pb2.Finished.FromString(message.data or b"") for message in messages]

    async def has_result(self) -> bool:
        return bool(await self.results())

    async def has_no_jobs(self) -> bool:
        """Return whether every job was acknowledged."""
        return await self.count_jobs("QUEUE") + await self.count_jobs("JOBS") == 0

    async def count_jobs(self, stream: str) -> int:
        try:
            return (await self.js.stream_info(stream)).state.messages
        except nats.js.errors.NotFoundError:
            return 0

    async def row(self, image: Row) -> Row:
        return await read_image(self.images.sessions, image.id)


class PausedTriton:
    """An answer that waits until the test resumes it."""

    def __init__(self) -> None:
        self.arrived, self.resumed = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: Any, context: Any) -> Any:
        self.arrived.set()
        await self.resumed.wait()
        return await doubled(request, context)

    async def is_called(self) -> None:
        await asyncio.wait_for(self.arrived.wait(), 20)


def a_message(image: Row) -> bytes:
    return images_pb2.ImageSubmitted(image_id=image.id or 0).SerializeToString()


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def nowhere(images_harness: ImagesHarness) -> Any:
    """Return a client of the images service at a closed port."""
    return replace(images_harness, target="127.0.0.1:9", channels=images_harness.channels).service()


async def was_called(faulty: FaultyTriton, times: int) -> bool:
    return faulty.requests >= times
