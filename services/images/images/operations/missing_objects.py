"""Finds images whose objects are missing in the store, for operators."""

import asyncio
from collections.abc import Iterable

from images.convert import STATUS
from images.domain import library, missing_objects
from images.tables import Image
from images.uploads.intake import ServiceContext
from loupe.images.v1 import images_pb2 as pb

PARALLEL_LOOKUPS = 4
"""Each takes a thread, and uploads need threads too."""


class MissingObjects:
    def __init__(self, context: ServiceContext) -> None:
        self._context = context

    async def check(self, after_id: int, *, mark: bool) -> pb.CheckObjectsResponse:
        """Check the next images after that id. With `mark`, those whose object is missing fail."""
        async with self._context.sessions.begin() as session:
            images = await missing_objects.page(session, after_id)
        missing_keys = await self._missing(missing_objects.needed_key(image) for image in images)
        found = await self._unchanged(
            [image for image in images if missing_objects.needed_key(image) in missing_keys]
        )
        if mark:
            for image in found:
                async with self._context.sessions.begin() as session:
                    await missing_objects.mark(session, image.id or 0, missing_keys, self._context.rules)
        return pb.CheckObjectsResponse(
            images=map(to_proto, found),
            checked=len(images),
            next_after_id=(images[-1].id or 0) if len(images) == missing_objects.AT_ONCE else 0,
        )

    async def _missing(self, keys: Iterable[str]) -> set[str]:
        # In a bucket that does not exist every object would look missing. Then this raises.
        await self._context.blobs.ping()
        places = asyncio.Semaphore(PARALLEL_LOOKUPS)

        async def missing(key: str) -> set[str]:
            async with places:
                return set() if await self._context.blobs.exists(key) else {key}

        return set[str]().union(*await asyncio.gather(*map(missing, keys)))

    async def _unchanged(self, suspects: list[Image]) -> list[Image]:
        """Return the suspects without those that were deleted or ended while the store was asked."""
        async with self._context.sessions.begin() as session:
            current = await library.by_id(session, [image.id or 0 for image in suspects])
        return [image for image in suspects if _needs_same_key(current.get(image.id or 0), image)]


def to_proto(image: Image) -> pb.ImageWithoutObject:
    return pb.ImageWithoutObject(
        image_id=image.id or 0,
        user_id=image.user_id,
        status=STATUS[image.status],
        key=missing_objects.needed_key(image),
    )


def _needs_same_key(current: Image | None, before: Image) -> bool:
    return current is not None and missing_objects.needed_key(current) == missing_objects.needed_key(before)
