"""Images whose objects are not in the store, for operators: the counterpart of orphans."""

import asyncio
from collections.abc import Iterable

from images.convert import STATUS
from images.domain import library, missing_objects
from images.tables import Image
from images.uploads.intake import ServiceContext
from loupe.images.v1 import images_pb2 as pb

ASKED_AT_ONCE = 4
"""Threads, which uploads need too."""


class MissingObjects:
    def __init__(self, means: ServiceContext) -> None:
        self._means = means

    async def check(self, after_id: int, *, mark: bool) -> pb.CheckObjectsResponse:
        """The next images behind that one."""
        async with self._means.sessions.begin() as session:
            images = await missing_objects.page(session, after_id)
        absent = await self._absent(missing_objects.needed(image) for image in images)
        found = await self._still_without(
            [image for image in images if missing_objects.needed(image) in absent]
        )
        if mark:
            for image in found:
                async with self._means.sessions.begin() as session:
                    await missing_objects.mark(session, image.id or 0, absent, self._means.rules)
        return pb.CheckObjectsResponse(
            images=map(to_proto, found),
            checked=len(images),
            next_after_id=(images[-1].id or 0) if len(images) == missing_objects.AT_ONCE else 0,
        )

    async def _absent(self, keys: Iterable[str]) -> set[str]:
        await (
            self._means.blobs.ping()
        )  # of a bucket that is not there every object would be said to be absent
        places = asyncio.Semaphore(ASKED_AT_ONCE)

        async def absent(key: str) -> set[str]:
            async with places:
                return set() if await self._means.blobs.exists(key) else {key}

        return set[str]().union(*await asyncio.gather(*map(absent, keys)))

    async def _still_without(self, suspects: list[Image]) -> list[Image]:
        """Not those that were deleted, or ended, while the store was asked."""
        async with self._means.sessions.begin() as session:
            now = await library.by_id(session, [image.id or 0 for image in suspects])
        return [image for image in suspects if _needs_the_same(now.get(image.id or 0), image)]


def to_proto(image: Image) -> pb.ImageWithoutObject:
    return pb.ImageWithoutObject(
        image_id=image.id or 0,
        user_id=image.user_id,
        status=STATUS[image.status],
        key=missing_objects.needed(image),
    )


def _needs_the_same(now: Image | None, before: Image) -> bool:
    return now is not None and missing_objects.needed(now) == missing_objects.needed(before)
