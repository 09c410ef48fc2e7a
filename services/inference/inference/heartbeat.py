"""Sends heartbeats with the progress of an image, and notices when its result is no longer wanted."""

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
"""Progress is reported at most this often."""


class Cancellations:
    """Wakes the heartbeat of an image that was cancelled or deleted.

    Such a message may arrive late, when the image is already wanted again. So it only causes a heartbeat at
    once, and the response of `images` decides.
    """

    def __init__(self) -> None:
        self._listeners: list[tuple[int, asyncio.Event]] = []

    async def receive(self, message: Msg) -> None:
        ended = images_pb2.ImageEnded.FromString(message.data).image_id
        for image_id, event in self._listeners:
            if image_id == ended:
                event.set()

    @contextlib.contextmanager
    def listen(self, image_id: int, event: asyncio.Event) -> Generator[None]:
        """Set `event` whenever this image is cancelled or deleted."""
        listener = (image_id, event)
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)


class Heartbeat:
    """The heartbeat of one attempt."""

    def __init__(self, images: "ImagesServiceAsyncStub", order: images_pb2.WorkOrder) -> None:
        self._images = images
        self._request = images_pb2.KeepWorkingRequest(image_id=order.image_id, fence=order.fence)
        self._report_now = asyncio.Event()
        self._reported_at = time.monotonic()

    def report_progress(self, share: float) -> None:
        """Report a share of the work as done with the next heartbeat, which is sent early if it is time."""
        self._request.percent = int(100 * share)
        if time.monotonic() - self._reported_at >= PROGRESS_SECONDS:
            self._report_now.set()

    @contextlib.asynccontextmanager
    async def running(
        self, cancellations: Cancellations, heartbeat_seconds: float
    ) -> AsyncGenerator[asyncio.Task[None]]:
        """Send heartbeats until the block ends. The task ends when the result is not wanted any more."""
        with cancellations.listen(self._request.image_id, self._report_now):
            heartbeats = asyncio.create_task(self._send_heartbeats(heartbeat_seconds))
            try:
                yield heartbeats
            finally:
                heartbeats.cancel()
                await asyncio.gather(heartbeats, return_exceptions=True)

    async def _send_heartbeats(self, heartbeat_seconds: float) -> None:
        """Send heartbeats until the result is no longer wanted, also while `images` cannot be reached."""
        is_wanted = True
        while is_wanted:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(heartbeat_seconds):
                    await self._report_now.wait()
            self._report_now.clear()
            self._reported_at = time.monotonic()
            try:
                is_wanted = (await self._images.KeepWorking(self._request)).wanted
            except Exception as error:  # noqa: BLE001  the result is worth finishing in any case
                LOG.warning(
                    "could not send a heartbeat to images; the work continues, and the next one follows",
                    image_id=self._request.image_id,
                    error=str(error),
                )
