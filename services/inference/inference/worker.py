"""One job: claim it, fetch, decode, upscale, encode, store, tell. Doing it twice writes the same key twice.

What went wrong with the picture ends the image; what went wrong around it is raised, and another attempt
follows.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import nats.errors
import urllib3.exceptions
from nats.aio.msg import Msg
from prometheus_client import Histogram

from common import bus, errors, log
from common.blobs import Blobs
from inference.codec import Decoder, Undecodable
from inference.fit import Fit
from inference.picture import Format
from inference.registry import FAITHFUL
from inference.render import Wish, render
from inference.triton import Triton, TritonAway
from loupe.images.v1 import images_pb2
from loupe.inference.v1 import inference_pb2 as pb

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

LOG = log.get(__name__)
Publish = Callable[[pb.Finished], Awaitable[None]]
FORMATS: dict[int, Format] = {
    images_pb2.FORMAT_JPEG: "JPEG",
    images_pb2.FORMAT_PNG: "PNG",
    images_pb2.FORMAT_WEBP: "WEBP",
    images_pb2.FORMAT_TIFF: "TIFF",
    images_pb2.FORMAT_GIF: "GIF",
}
FITS: dict[int, Fit] = {
    images_pb2.FIT_STRETCH: "stretch",
    images_pb2.FIT_COVER: "cover",
    images_pb2.FIT_CONTAIN: "contain",
}
MEDIA_TYPES = {name: f"image/{name.lower()}" for name in FORMATS.values()}

WORDS = {
    "unsupported_format": "The image is of a kind that cannot be upscaled.",
    "corrupt_image": "The image is corrupt or incomplete.",
    "too_many_pixels": "The image has too many pixels.",
    "too_much_memory": "The image needs too much memory to decode.",
}

stage_seconds = Histogram(
    "loupe_stage_seconds",
    "Time in each stage of a job",
    ["stage"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120),
)

EXCUSED = (
    asyncio.CancelledError,
    TritonAway,
    errors.Unavailable,
    nats.errors.Error,
    urllib3.exceptions.HTTPError,
)
"""What ends an attempt through no fault of the picture."""


class NotWanted(Exception):
    """The image was cancelled, or another worker has it now."""


class Cancellations:
    """Hears at once that an image was cancelled or deleted.

    Such news may be late, and the image wanted again by then: the worker is only made to ask.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, asyncio.Event]] = []

    async def heard(self, message: Msg) -> None:
        image_id = images_pb2.ImageEnded.FromString(message.data).image_id
        for waiting_for, event in self._waiting:
            if waiting_for == image_id:
                event.set()

    @contextlib.contextmanager
    def of(self, image_id: int) -> Generator[asyncio.Event]:
        entry = (image_id, asyncio.Event())
        self._waiting.append(entry)
        try:
            yield entry[1]
        finally:
            self._waiting.remove(entry)


@dataclass(frozen=True, slots=True)
class Worker:
    images: "ImagesServiceAsyncStub"
    blobs: Blobs
    triton: Triton
    decoder: Decoder
    publish: Publish
    tile: int
    heartbeat_seconds: float
    cancellations: Cancellations = field(default_factory=Cancellations)

    async def submitted(self, data: bytes) -> None:
        event = images_pb2.ImageSubmitted.FromString(data)
        try:
            response = await self.images.StartWork(images_pb2.StartWorkRequest(image_id=event.image_id))
        except (errors.Unavailable, errors.FailedPrecondition) as error:
            raise bus.Later(error.message) from error
        if not response.HasField("order"):
            return
        order = response.order
        with log.bound(image_id=order.image_id, fence=order.fence):
            async with self._given_back_on_failure(order):
                await self._work(order)

    async def _work(self, order: images_pb2.WorkOrder) -> None:
        started = time.perf_counter()
        finished = pb.Finished(image_id=order.image_id, fence=order.fence, upscaled_path=order.upscaled_path)
        async with self._kept(order) as unwanted:
            try:
                data = await _unless(unwanted, self._upscaled(order))
            except NotWanted:
                LOG.info("not wanted any more")
                return
            except Undecodable as error:
                LOG.info("undecodable", reason=error.reason, error=str(error))
                failure = pb.Failure(code="undecodable", message=WORDS[error.reason], retryable=False)
                finished.failure.CopyFrom(failure)
            else:
                with _timed(
                    "store"
                ):  # told in any case, so that `images` can drop what nobody wants any more
                    await self.blobs.put(order.upscaled_path, data, MEDIA_TYPES[FORMATS[order.format]])
                finished.output.CopyFrom(_output(order, len(data), time.perf_counter() - started))
                LOG.info("done", seconds=round(finished.output.seconds, 3), bytes=len(data))
        await self.publish(finished)

    @contextlib.asynccontextmanager
    async def _kept(self, order: images_pb2.WorkOrder) -> AsyncGenerator[asyncio.Task[None]]:
        """Signs of life until the block ends; the task ends when the work is not wanted any more."""
        with self.cancellations.of(order.image_id) as cancelled:
            keeping = asyncio.create_task(self._keep(order, cancelled))
            try:
                yield keeping
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, order: images_pb2.WorkOrder, cancelled: asyncio.Event) -> None:
        """Returns when the work is not wanted any more; while `images` is away it goes on."""
        request = images_pb2.KeepWorkingRequest(image_id=order.image_id, fence=order.fence)
        wanted = True
        while wanted:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.heartbeat_seconds):
                    await cancelled.wait()
            cancelled.clear()
            try:
                wanted = (await self.images.KeepWorking(request)).wanted
            except Exception as error:  # noqa: BLE001  the result is worth having all the same
                LOG.warning("could not tell that work goes on", error=str(error))

    async def _upscaled(self, order: images_pb2.WorkOrder) -> bytes:
        with _timed("fetch"):
            original = await self.blobs.get(order.original_path)
        with _timed("decode"):
            picture = await self.decoder.decode(original)
        del original
        size = (order.size.width, order.size.height)
        wish = Wish(
            size,
            FORMATS[order.format],
            FAITHFUL.nets,
            self.tile,
            fit=FITS[order.fit],
            quality=order.quality or None,
            keeps_metadata=order.keeps_metadata,
        )
        with _timed("infer"):  # and encode: rows are written as they are ready
            return await render(picture, wish, self.triton.infer)

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
                raise bus.Later(f"{type(error).__name__}: {error}") from error
            raise


async def _unless(unwanted: asyncio.Task[None], work: Coroutine[Any, Any, bytes]) -> bytes:
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


def _output(order: images_pb2.WorkOrder, size: int, seconds: float) -> pb.Output:
    return pb.Output(bytes=size, width=order.size.width, height=order.size.height, seconds=seconds)


@contextlib.contextmanager
def _timed(stage: str) -> Generator[None]:
    started = time.perf_counter()
    yield
    stage_seconds.labels(stage).observe(time.perf_counter() - started)
