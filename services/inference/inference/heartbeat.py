"""What is said while an image is being worked on: signs of life, how far it is, and that it is not wanted any
more.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING

from nats.aio.msg import Msg

from common import log
from loupe.images.v1 import images_pb2

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

LOG = log.get(__name__)
PROGRESS_SECONDS = 1.0
"""It is told no more often than this."""


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
    def of(self, image_id: int, event: asyncio.Event) -> Generator[None]:
        """Sets `event` when there is such news."""
        entry = (image_id, event)
        self._waiting.append(entry)
        try:
            yield
        finally:
            self._waiting.remove(entry)


class Heartbeat:
    """One attempt, for as long as it lasts."""

    def __init__(self, images: "ImagesServiceAsyncStub", order: images_pb2.WorkOrder) -> None:
        self._images = images
        self._request = images_pb2.KeepWorkingRequest(image_id=order.image_id, fence=order.fence)
        self._news = asyncio.Event()
        self._told_at = time.monotonic()

    def progress(self, done: int, total: int) -> None:
        self._request.percent = 100 * done // total
        if time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._news.set()

    @contextlib.asynccontextmanager
    async def signs(
        self, cancellations: Cancellations, heartbeat_seconds: float
    ) -> AsyncGenerator[asyncio.Task[None]]:
        """Signs of life until the block ends; the task ends when the work is not wanted any more."""
        with cancellations.of(self._request.image_id, self._news):
            keeping = asyncio.create_task(self._keep(heartbeat_seconds))
            try:
                yield keeping
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, heartbeat_seconds: float) -> None:
        """Returns when the work is not wanted any more; while `images` is away it goes on."""
        wanted = True
        while wanted:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(heartbeat_seconds):
                    await self._news.wait()
            self._news.clear()
            self._told_at = time.monotonic()
            try:
                wanted = (await self._images.KeepWorking(self._request)).wanted
            except Exception as error:  # noqa: BLE001  the result is worth having all the same
                LOG.warning("could not tell that work goes on", error=str(error))
