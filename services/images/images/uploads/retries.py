"""Retries failed images: reserves new places, and makes the images pending again.

The note of the reserved places is deleted in the transaction that makes the images pending. So a retry that
is interrupted gives its places back, and changes no image.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from images.domain import batches, fetches, library, retries
from images.tables import Image
from images.uploads.batch import FEATURE
from images.uploads.intake import Intake, LastStep, Reserved, ServiceContext, do_nothing
from loupe import refusals
from loupe.billing.v1 import billing_pb2

MOST_ROUNDS = 3
"""How often the images of a batch are read again because they changed meanwhile."""
CHECKS_AT_ONCE = 8
"""Originals of a batch that are looked for at the same time."""


class Retries:
    """Retries failed images, for users and for operators."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context

    async def retry_image(
        self, user_id: int, image_id: int, *, api_request: bool, last: LastStep = do_nothing
    ) -> billing_pb2.Usage:
        """Make the user's failed image pending again. Return the month's usage including it.

        `last` is the last step of the transaction.

        Raise `NotFound`, `AlreadyExists` if the image cannot be retried, or `PermissionDenied` if the plan
        does not allow it.
        """
        async with self._context.sessions.begin() as session:
            image = await library.get(session, user_id, image_id)
        retries.require_retryable(image)
        if not await self._with_originals([image]):
            raise errors.refused(refusals.ORIGINAL_MISSING)
        async with Intake(self._context, user_id) as intake:
            reserved = await intake.reserve(1, api_request=api_request)
            async with intake.commit() as session:
                retried = await retries.retry(session, image_id, reserved.places[0], self._context.rules)
                if retried is None:
                    raise errors.refused(refusals.NOTHING_TO_RETRY)
                await last(session, [retried], None)
        return reserved.usage

    async def retry_batch(
        self, user_id: int, batch_id: int, *, api_request: bool, last: LastStep = do_nothing
    ) -> billing_pb2.Usage:
        """Make all failed images of the user's batch pending again that can be retried.

        Return the month's usage including them. `last` is the last step of the transaction. It gets the batch
        and all its images.

        Raise `NotFound`, `AlreadyExists` if there is none, or `PermissionDenied` if the plan or the quota
        does not allow all of them.
        """
        for _ in range(MOST_ROUNDS):
            async with self._context.sessions.begin() as session:
                failed = await retries.retryable_of_batch(session, user_id, batch_id)
            image_ids = [image.id or 0 for image in await self._with_originals(failed)]
            if not image_ids:
                raise errors.refused(refusals.NOTHING_TO_RETRY)

            async def then(session: AsyncSession) -> None:
                batch, images = await batches.get(session, user_id, batch_id)
                await last(session, images, batch)

            reserved = await self._retry_all(user_id, image_ids, then, api_request=api_request)
            if reserved:
                return reserved.usage
        raise errors.Unavailable(
            "the images of the batch keep changing", reason=refusals.SERVICE_UNAVAILABLE.code
        )

    async def retry_for_operator(self, user_id: int, image_id: int) -> None:
        """Make a failed image pending again. Raise `AlreadyExists` if it cannot be retried.

        The plan is not checked again, except for the quota: that happened when the image was uploaded.
        """
        async with Intake(self._context, user_id) as intake:
            [place] = (await intake.reserve(1)).places
            async with intake.commit() as session:
                if await retries.retry(session, image_id, place, self._context.rules) is None:
                    raise errors.refused(refusals.NOTHING_TO_RETRY)

    async def _retry_all(
        self,
        user_id: int,
        image_ids: Sequence[int],
        then: Callable[[AsyncSession], Awaitable[None]],
        *,
        api_request: bool,
    ) -> Reserved | None:
        """Retry these images. Return None, and reserve nothing, if one of them has changed meanwhile."""
        with contextlib.suppress(_Changed):
            async with Intake(self._context, user_id) as intake:
                reserved = await intake.reserve(len(image_ids), api_request=api_request, feature=FEATURE)
                async with intake.commit() as session:
                    if not await retries.retry_several(
                        session, user_id, image_ids, reserved.places, self._context.rules
                    ):
                        raise _Changed
                    await then(session)
            return reserved
        return None

    async def _with_originals(self, images: Sequence[Image]) -> list[Image]:
        """Return the images whose original is still stored, or can be fetched again.

        Operators may let old originals expire.
        """
        without_file = [image for image in images if not image.has_file]
        async with self._context.sessions.begin() as session:
            can_be_fetched = await fetches.with_source(session, without_file) if without_file else set[int]()
        at_once = asyncio.Semaphore(CHECKS_AT_ONCE)

        async def has_original(image: Image) -> bool:
            if not image.has_file:
                return image.id in can_be_fetched
            async with at_once:
                return await self._context.blobs.exists(image.original_path)

        found = await asyncio.gather(*(has_original(image) for image in images))
        return [image for image, is_there in zip(images, found, strict=True) if is_there]


class _Changed(Exception):
    """An image that was to be retried is gone, or somebody else retries it."""
