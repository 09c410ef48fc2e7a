"""One job: claim it, fetch, decode, upscale, encode, store, tell. Doing it twice writes the same key twice.

What went wrong with the picture ends the image; what went wrong around it is raised, and another attempt
follows.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import nats.errors
import urllib3.exceptions
from prometheus_client import Gauge

from common import errors, log, messages, trace
from common.blobs import Blobs
from inference.availability import Availability
from inference.decoding.pool import Decoder, Undecodable
from inference.heartbeat import Cancellations, Heartbeat
from inference.networks.auto import Choice, NotServed
from inference.pipeline import Pipeline
from inference.throughput import Throughput
from inference.tiling.tile_rows import Progress
from inference.tiling.tiles import Tiling
from inference.triton.client import Triton
from inference.triton.errors import ModelBroken, TritonAway
from loupe.images.v1 import images_pb2
from loupe.inference.v1 import inference_pb2 as pb

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

LOG = log.get(__name__)
Made = TypeVar("Made")
Publish = Callable[[pb.Finished], Awaitable[None]]
WORDS = {
    "unsupported_format": "The image is of a kind that cannot be upscaled.",
    "corrupt_image": "The image is corrupt or incomplete.",
    "too_many_pixels": "The image has too many pixels.",
    "too_much_memory": "The image needs too much memory to decode.",
}

jobs_in_flight = Gauge("loupe_jobs_in_flight", "Images that are being worked on")

EXCUSED = (
    asyncio.CancelledError,
    ModelBroken,
    TritonAway,
    NotServed,
    errors.Unavailable,
    nats.errors.Error,
    urllib3.exceptions.HTTPError,
)
"""What ends an attempt through no fault of the picture."""


OWN_TURN = 5
"""One of so many starts is for the image whose message came, so that nobody waits for ever."""


@dataclass
class Turns:
    """Whose turn it is; a start that came to nothing does not count."""

    started: int = 0

    @property
    def is_own(self) -> bool:
        return self.started % OWN_TURN == 0


class NotWanted(Exception):
    """The image was cancelled, or another worker has it now."""


@dataclass(frozen=True, slots=True)
class Worker:
    images: "ImagesServiceAsyncStub"
    blobs: Blobs
    triton: Triton
    availability: Availability
    decoder: Decoder
    publish: Publish
    tiling: Tiling
    heartbeat_seconds: float
    cancellations: Cancellations = field(default_factory=Cancellations)
    throughput: Throughput = field(default_factory=Throughput)
    turns: Turns = field(default_factory=Turns)

    async def submitted(self, data: bytes) -> None:
        event = images_pb2.ImageSubmitted.FromString(data)
        if self.triton.is_broken:
            raise messages.RetryLater("Triton answers wrongly")  # no attempt begins, however long that takes
        if not await self.triton.is_there():
            raise messages.RetryLater("Triton is away")
        order = await self._ordered(event.image_id)
        if order is None:
            return
        if order.image_id != event.image_id:
            origin = trace.Origin(order.request_id or None, order.trace_parent or None)
            raise messages.PutBack(lambda: self._claimed(order), origin)
        await self._claimed(order)

    async def _ordered(self, image_id: int) -> images_pb2.WorkOrder | None:
        request = images_pb2.StartWorkRequest(
            image_id=image_id, models=self.availability.names, takes_another=not self.turns.is_own
        )
        try:
            response = await self.images.StartWork(request)
        except (errors.Unavailable, errors.FailedPrecondition) as error:
            raise messages.RetryLater(error.message) from error
        if not response.HasField("order"):
            return None
        self.turns.started += 1
        return response.order

    async def _claimed(self, order: images_pb2.WorkOrder) -> None:
        with (
            log.bound(image_id=order.image_id, fence=order.fence),
            jobs_in_flight.track_inprogress(),
            self.throughput.working(),
        ):
            async with self._given_back_on_failure(order):
                await self._work(order)

    async def _work(self, order: images_pb2.WorkOrder) -> None:
        started = time.perf_counter()
        finished = pb.Finished(image_id=order.image_id, fence=order.fence, upscaled_path=order.upscaled_path)
        keeping = Heartbeat(self.images, order)
        async with keeping.running(self.cancellations, self.heartbeat_seconds) as unwanted:
            try:
                data, choice = await _unless(unwanted, self._upscale(order, keeping.progress))
            except NotWanted:
                LOG.info("not wanted any more")
                return
            except Undecodable as error:
                LOG.info("undecodable", reason=error.reason, error=str(error))
                failure = pb.Failure(code="undecodable", message=WORDS[error.reason], retryable=False)
                finished.failure.CopyFrom(failure)
            else:
                # told in any case, so that `images` can drop what nobody wants any more
                await self._pipeline.store(order, data)
                finished.output.CopyFrom(_output(order, len(data), choice, time.perf_counter() - started))
                LOG.info(
                    "done",
                    seconds=round(finished.output.seconds, 3),
                    bytes=len(data),
                    model=choice.model.name,
                    reason=choice.reason,
                )
        await self.publish(finished)

    async def _upscale(self, order: images_pb2.WorkOrder, progress: Progress) -> tuple[bytes, Choice]:
        data, choice = await self._pipeline.upscale(order, progress)
        self.throughput.add_result(order.size.width * order.size.height)
        return data, choice

    @property
    def _pipeline(self) -> Pipeline:
        return Pipeline(self.blobs, self.decoder, self.triton, self.availability, self.tiling)

    @contextlib.asynccontextmanager
    async def _given_back_on_failure(self, order: images_pb2.WorkOrder) -> AsyncGenerator[None]:
        """Whatever ends this attempt, also our own end, lets the next one start at once."""
        try:
            yield
        except BaseException as error:
            is_excused = isinstance(error, EXCUSED)
            request = images_pb2.StopWorkRequest(
                image_id=order.image_id, fence=order.fence, excused=is_excused
            )
            stopping = asyncio.ensure_future(self.images.StopWork(request))
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await asyncio.shield(stopping)
            if is_excused and isinstance(error, Exception):
                raise messages.RetryLater(f"{type(error).__name__}: {error}") from error
            raise


async def _unless(unwanted: asyncio.Task[None], work: Coroutine[Any, Any, Made]) -> Made:
    """What `work` makes, unless the other task ends first."""
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


def _output(order: images_pb2.WorkOrder, size: int, choice: Choice, seconds: float) -> pb.Output:
    return pb.Output(
        bytes=size,
        width=order.size.width,
        height=order.size.height,
        seconds=seconds,
        model=choice.model.name,
        model_reason=choice.reason,
        model_message=choice.message,
    )
