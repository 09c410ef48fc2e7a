"""Finds images whose objects are missing from the object store, for operators."""

import asyncio
from collections.abc import Iterable

from images.convert import STATUS
from images.domain import library, missing_objects
from images.tables import Image
from images.uploads.intake import ServiceContext
from loupe.images.v1 import images_pb2 as pb

PARALLEL_LOOKUPS = 4
"""Each lookup takes a thread, and uploads need threads too."""


class MissingObjects:
    def __init__(self, context: ServiceContext) -> None:
        self._context = context

    async def check(self, after_id: int, *, mark: bool) -> pb.CheckObjectsResponse:
        """Check the next images with ids above `after_id`. With `mark`, fail those that lack an object."""
        async with self._context.sessions.begin() as session:
            images = await missing_objects.page(session, after_id)
        missing_keys = await self._find_missing(missing_objects.needed_key(image) for image in images)
        found = await self._unchanged(
            [image for image in images if missing_objects.needed_key(image) in missing_keys]
        )
        if mark:
            for image in found:
                async with self._context.sessions.begin() as session:
                    await missing_objects.mark_failed(
                        session, image.id or 0, missing_keys, self._context.rules
                    )
        return pb.CheckObjectsResponse(
            images=map(to_proto, found),
            checked=len(images),
            next_after_id=(images[-1].id or 0) if len(images) == missing_objects.IMAGES_PER_PAGE else 0,
        )

    async def _find_missing(self, keys: Iterable[str]) -> set[str]:
        """Return the keys that have no object. Raise `LookupError` if the whole bucket is missing."""
        await self._context.blobs.ping()
        lookups = asyncio.Semaphore(PARALLEL_LOOKUPS)

        async def key_if_missing(key: str) -> set[str]:
            async with lookups:
                return set() if await self._context.blobs.exists(key) else {key}

        return set[str]().union(*await asyncio.gather(*map(key_if_missing, keys)))

    async def _unchanged(self, images: list[Image]) -> list[Image]:
        """Return the images that still need the same object. Others changed during the lookups."""
        async with self._context.sessions.begin() as session:
            current = await library.get_many(session, [image.id or 0 for image in images])
        return [image for image in images if _needs_same_key(current.get(image.id or 0), image)]


def to_proto(image: Image) -> pb.ImageWithoutObject:
    return pb.ImageWithoutObject(
        image_id=image.id or 0,
        user_id=image.user_id,
        status=STATUS[image.status],
        key=missing_objects.needed_key(image),
    )


def _needs_same_key(current: Image | None, before: Image) -> bool:
    return current is not None and missing_objects.needed_key(current) == missing_objects.needed_key(before)
