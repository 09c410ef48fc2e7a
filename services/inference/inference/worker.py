"""Handles one job: claims it, makes the result, stores it, and publishes the outcome.

A job may be repeated: its result has the same key. If the file cannot be decoded, the image fails. Any other
error is raised, and another attempt follows.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import nats.errors
import urllib3.exceptions
from prometheus_client import Gauge

from common import errors, log, messages
from common.blobs import Blobs
from inference.availability import Availability
from inference.decoding.pool import Decoder
from inference.errors import Undecodable
from inference.events import Queues
from inference.heartbeat import Cancellations, Heartbeat
from inference.large_places import LargePlaces
from inference.networks.auto import NotServed
from inference.pipeline import Pipeline, Upscaled
from inference.previews.sides import PreviewRules
from inference.store_outage import PATIENCE_SECONDS
from inference.throughput import Share, Throughput
from inference.tiling.tiles import Tiling
from inference.triton.client import Triton
from inference.triton.errors import ModelBroken, TritonUnavailable
from loupe.images.v1 import images_pb2
from loupe.inference.v1 import inference_pb2 as pb

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

LOG = log.get(__name__)
Done = TypeVar("Done")
Publish = Callable[[pb.Finished], Awaitable[None]]

FAILURE_TEXTS = {
    "unsupported_format": "The image is of a kind that cannot be upscaled.",
    "corrupt_image": "The image is corrupt or incomplete.",
    "too_many_pixels": "The image has too many pixels.",
    "too_much_memory": "The image needs too much memory to decode.",
    "too_much_time": "The image takes too much time to decode.",
    "decoder_crashed": "The image makes its decoder crash.",
}

jobs_in_flight = Gauge("loupe_jobs_in_flight", "Images that this worker works on")

EXCUSED = (
    asyncio.CancelledError,
    ModelBroken,
    TritonUnavailable,
    NotServed,
    errors.Unavailable,
    nats.errors.Error,
    urllib3.exceptions.HTTPError,
)
"""Errors that end an attempt through no fault of the picture."""


class NotWanted(Exception):
    """The image was cancelled, or another worker has it now."""


@dataclass(frozen=True, slots=True)
class Worker:
    images: "ImagesServiceAsyncStub"
    blobs: Blobs
    triton: Triton
    availability: Availability
    queues: Queues
    decoder: Decoder
    publish: Publish
    tiling: Tiling
    heartbeat_seconds: float
    cancellations: Cancellations = field(default_factory=Cancellations)
    throughput: Throughput = field(default_factory=Throughput)
    precision: str = "auto"
    """See `Pipeline`."""
    large_places: LargePlaces | None = None
    """None does not limit large images."""
    preview_rules: PreviewRules = field(default_factory=PreviewRules)
    patience_seconds: float = PATIENCE_SECONDS
    """How long an attempt waits for an object store that fails."""
    share_seconds: float = 3.0
    """How long a job waits, before it starts, until its user may take a decoder. Most images are decoded by
    then.
    """

    async def handle(self, data: bytes, queue: messages.Consumer) -> None:
        """Do the job of a message that came from this queue.

        Raises `RetryLater` if something other than the image prevents it, and `NoRoom` if all places for
        large images are taken.
        """
        event = images_pb2.ImageSubmitted.FromString(data)
        if event.is_small or self.large_places is None:
            await self._handle(event, queue)
        else:
            async with self.large_places.take(queue):
                await self._handle(event, queue)

    async def _handle(self, event: images_pb2.ImageSubmitted, queue: messages.Consumer) -> None:
        if self.triton.is_broken:
            # no attempt starts and none is counted, however long the fault lasts
            raise messages.RetryLater("Triton answers wrongly")
        if not await self.triton.is_reachable():
            raise messages.RetryLater("Triton is away")
        if not await self.decoder.shares.has_room(event.fairness_key, self.share_seconds):
            # the job gives its place back, so that those of other users need not wait
            raise messages.RetryLater("other images of its user take their share of the decoders")
        order = await self._claim(event.image_id)
        if order is None:
            return
        self.queues.count_start(queue)
        with (
            log.bound(image_id=order.image_id, fence=order.fence),
            jobs_in_flight.track_inprogress(),
            self.throughput.working() as share,
        ):
            async with self._stop_work_on_failure(order):
                await self._work(order, share)

    async def _claim(self, image_id: int) -> images_pb2.WorkOrder | None:
        """Start an attempt. None if the image needs no work any more."""
        request = images_pb2.StartWorkRequest(image_id=image_id, models=self.availability.names)
        try:
            response = await self.images.StartWork(request)
        except (errors.Unavailable, errors.FailedPrecondition) as error:
            raise messages.RetryLater(error.message) from error
        return response.order if response.HasField("order") else None

    async def _work(self, order: images_pb2.WorkOrder, share: Share) -> None:
        started = time.perf_counter()
        finished = pb.Finished(image_id=order.image_id, fence=order.fence, upscaled_path=order.upscaled_path)
        heartbeat = Heartbeat(self.images, order)
        async with heartbeat.running(self.cancellations, self.heartbeat_seconds) as unwanted:
            try:
                upscaled = await _run_while_wanted(
                    self._pipeline.upscale(order, heartbeat.report_progress), unwanted
                )
            except NotWanted:
                LOG.info("work stopped: the image was cancelled, or another worker has it")
                return
            except Undecodable as error:
                LOG.info("image fails: it cannot be decoded", reason=error.reason, error=str(error))
                failure = pb.Failure(code="undecodable", message=FAILURE_TEXTS[error.reason], retryable=False)
                finished.failure.CopyFrom(failure)
            else:
                # Published even if the image was cancelled meanwhile: `images` then deletes the result.
                previews = await self._pipeline.store(order, upscaled, unwanted)
                self._count(order, share, upscaled)
                finished.output.CopyFrom(_output(upscaled, previews, time.perf_counter() - started))
                LOG.info(
                    "image upscaled and stored",
                    seconds=round(finished.output.seconds, 3),
                    bytes=len(upscaled.data),
                    pictures=upscaled.pictures,
                    model=upscaled.choice.model.name,
                    reason=upscaled.choice.reason,
                    precision=upscaled.precision,
                    previews=previews,
                )
        await self.publish(finished)

    def _count(self, order: images_pb2.WorkOrder, share: Share, upscaled: Upscaled) -> None:
        pixels = order.size.width * order.size.height
        choice = upscaled.choice
        repeats_pixels = order.model == choice.model.name and not choice.model.networks
        written = None if repeats_pixels else upscaled.megapixels
        self.throughput.add_result(share, pixels, order.work_kind, order.work_megapixels, written)

    @property
    def _pipeline(self) -> Pipeline:
        return Pipeline(
            self.blobs,
            self.decoder,
            self.triton,
            self.availability,
            self.tiling,
            self.preview_rules,
            self.precision,
            self.patience_seconds,
        )

    @contextlib.asynccontextmanager
    async def _stop_work_on_failure(self, order: images_pb2.WorkOrder) -> AsyncGenerator[None]:
        """Call `StopWork` if the block fails or this process stops. Then the next attempt starts at once."""
        try:
            yield
        except BaseException as error:
            is_excused = isinstance(error, EXCUSED)
            request = images_pb2.StopWorkRequest(
                image_id=order.image_id, fence=order.fence, excused=is_excused
            )
            # shielded, because this task may be under cancellation
            stopping = asyncio.ensure_future(self.images.StopWork(request))
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await asyncio.shield(stopping)
            if is_excused and isinstance(error, Exception):
                raise messages.RetryLater(f"{type(error).__name__}: {error}") from error
            raise


async def _run_while_wanted(work: Coroutine[Any, Any, Done], unwanted: asyncio.Task[None]) -> Done:
    """Return the result of `work`. Raise `NotWanted` if the task `unwanted` ends first."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait({working, unwanted}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            unwanted.result()
            raise NotWanted
        return working.result()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _output(upscaled: Upscaled, previews: Sequence[str], seconds: float) -> pb.Output:
    choice = upscaled.choice
    return pb.Output(
        bytes=len(upscaled.data),
        seconds=seconds,
        model=choice.model.name,
        model_reason=choice.reason,
        model_message=choice.message,
        denoise=choice.denoise,
        strength=choice.model.strength,
        pictures=upscaled.pictures,
        precision=upscaled.precision,
        previews=previews,
    )
