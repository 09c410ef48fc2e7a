"""Waits for the ends of many images by one stream of events."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable

from loupe_client import AsyncLoupe
from loupe_client.errors import ConnectionFailed, LoupeError, NotFound, Unauthenticated
from loupe_client.event_frames import ENDED_IMAGE, Event
from loupe_client.models import Image

ENDS, ON_THE_WAY = ("completed", "failed", "deleted", "expired"), ("processing", "progress")
"""The events about images. The server reads the image for each, so only what is shown is asked for."""
KEPT_ENDS = 1000
"""The most ends that are remembered. The event of an end may arrive before the answer to the upload."""
SILENT_SECONDS = 30.0
"""After this time without news of an image, it is read anew."""
RETRIES = 2
"""If the stream breaks for longer, images are waited for one by one."""
WRONG = (ConnectionFailed, Unauthenticated)
Heard = Callable[[Image], object]


class Follower:
    """Hears of all images of the user. If events cannot be followed, each image is waited for alone."""

    def __init__(self, client: AsyncLoupe, *, hears_progress: bool) -> None:
        self._client = client
        self._types = [f"image.{each}" for each in (*ENDS, *(ON_THE_WAY if hears_progress else ()))]
        self._is_open = asyncio.Event()
        self._waiting: dict[int, tuple[asyncio.Queue[None], Heard]] = {}
        self._ended: OrderedDict[int, Image] = OrderedDict()
        self._was_open = False
        self._failure: LoupeError | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once the stream is open, or the server has none. Raise if server or token are wrong."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())
        await self._is_open.wait()
        if self._failure and not self._was_open and isinstance(self._failure, WRONG):
            raise self._failure

    def _opened(self) -> None:
        self._was_open = True
        self._is_open.set()

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, image_id: int, heard: Heard) -> Image:
        """Return the image once it has ended, in whatever way. Raise `NotFound` if it is gone."""
        news: asyncio.Queue[None] = asyncio.Queue()
        self._waiting[image_id] = (news, heard)
        try:
            while self._failure is None:
                if image := self._ended.pop(image_id, None):
                    return image
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(news.get(), SILENT_SECONDS)
                if image_id not in self._ended and self._failure is None:
                    await self._read(image_id)
        finally:
            del self._waiting[image_id]
        return await self._client.images.wait_for_end(image_id, on_change=heard)

    async def refresh(self, image_id: int) -> None:
        """Read an image that may have ended before the stream began. Raise `NotFound` if it is gone."""
        await self._read(image_id)

    async def _read(self, image_id: int) -> None:
        image = await self._client.images.get(image_id)
        if image.status in ENDED_IMAGE:
            self._keep(image)

    def _keep(self, image: Image) -> None:
        self._ended[image.id] = image
        while len(self._ended) > KEPT_ENDS:
            self._ended.popitem(last=False)

    async def _follow(self) -> None:
        try:
            events = self._client.events.follow(types=self._types, on_open=self._opened, retries=RETRIES)
            async for event in events:
                await self._hear(event)
        except LoupeError as error:
            self._failure = error
        finally:
            self._is_open.set()
            self._wake(*self._waiting)

    async def _hear(self, event: Event) -> None:
        if event.type == "reset":
            for image_id in list(self._waiting):
                try:
                    await self._read(image_id)
                except NotFound:  # the wait for this image reads it again, and finds that it is gone
                    continue
            self._wake(*self._waiting)
            return
        image = event.image
        if image is None or image.status in ENDED_IMAGE:
            if image:
                self._keep(image)
            self._wake(int(event.data.get("id", 0)))
        elif image.id in self._waiting:
            self._waiting[image.id][1](image)

    def _wake(self, *image_ids: int) -> None:
        for image_id in image_ids:
            if image_id in self._waiting:
                self._waiting[image_id][0].put_nowait(None)
