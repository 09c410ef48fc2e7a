"""Accepts manifests: batches whose files are fetched later. Each place is reserved at once.

An item that is refused makes the whole manifest invalid, or becomes a failed image without a place if the
client prefers that.
"""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from common.db import now
from imagefile.formats import extension
from images.domain import batch_progress, direct_uploads, expiry, jobs, refused_items
from images.domain.retries import Place
from images.tables import NO_FILE_TURN, Batch, Image
from images.upload_tables import ImageSource
from images.uploads import file_names
from images.uploads.batch import FEATURE, LONGEST_NAME, to_batch
from images.uploads.intake import Intake, LastStep, Reserved, ServiceContext, do_nothing
from images.uploads.manifest_items import Check, Item, upload_ids
from loupe import refusals
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2

ITEM_REFUSED = "item_refused"


QUOTA_EXCEEDED = inference_pb2.Failure(
    code=refusals.QUOTA_EXCEEDED.code, message=refusals.QUOTA_EXCEEDED.text, retryable=True
)


@dataclass(frozen=True, slots=True)
class _Row:
    """The rows of one item."""

    image: Image
    source: ImageSource | None
    """None for an item that is refused."""
    failure: inference_pb2.Failure | None
    """Why the image has failed already."""


class Manifests:
    """Accepts manifests."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self._most_refused = context.settings.refused_items_per_hour

    async def accept(
        self, user_id: int, request: pb.CreateManifestRequest, last: LastStep = do_nothing
    ) -> billing_pb2.Usage | None:
        """Check the manifest, and insert its rows. Return the month's usage including those with a place.

        Raise `InvalidArgument` with all fields at fault, `PermissionDenied` if the plan does not allow it, or
        `ResourceExhausted` if too many items of the user were refused in this hour.
        """
        check = await self._check(user_id, request)
        check.refuse()
        if any(item.fields for item in check.items):
            async with self._context.sessions.begin() as session:
                await refused_items.refuse_over_limit(session, user_id, self._most_refused)
        wanted = sum(not item.fields for item in check.items)
        async with Intake(self._context, user_id) as intake:
            reserved = None
            if wanted:
                reserved = await intake.reserve(
                    wanted,
                    api_request=request.api_request,
                    feature=FEATURE,
                    as_many_as_fit=request.skips_refused_items,
                )
            else:
                await intake.begin()
            batch, rows = _to_rows(user_id, request, check, reserved)
            images = [row.image for row in rows]
            async with intake.commit() as session:
                await intake.add(session, images, batch)
                await self._store(session, user_id, check.items, rows)
                if refused := sum(row.failure is not None for row in rows):
                    await refused_items.count(session, user_id, refused, self._most_refused)
                batch_progress.record_refused(batch, refused)
                await session.flush()
                await last(session, images, batch)
        return reserved.usage if reserved else None

    async def _check(self, user_id: int, request: pb.CreateManifestRequest) -> Check:
        requested = request.options.model or next(
            (item.options.model for item in request.items if item.options.model), ""
        )
        model_names, ids = await self._context.model_names(requested), upload_ids(request.items)
        async with self._context.sessions.begin() as session:
            uploads = await direct_uploads.find_all(session, user_id, ids) if ids else {}
        check = Check(request, model_names, uploads)
        if len(file_names.title(request.name) or "") > LONGEST_NAME:
            check.shared["name"] = [f"The name may not be greater than {LONGEST_NAME} characters."]
        return check

    async def _store(
        self, session: AsyncSession, user_id: int, items: Sequence[Item], rows: Sequence[_Row]
    ) -> None:
        """Insert the sources, and fail the images without a place. The caller holds the user's lock."""
        ids = [row.source.upload_id for row in rows if row.source and row.source.upload_id]
        if ids:
            waiting = await direct_uploads.find_all(session, user_id, ids)
            if gone := [item for item in items if not item.fields and item.upload_id not in {None, *waiting}]:
                text = "The upload was already used."
                raise errors.invalid({f"items.{item.position}.upload_id": [text] for item in gone})
            await direct_uploads.take(session, ids)
        for row in rows:
            if row.source:
                row.source.image_id = row.image.id or 0
                session.add(row.source)
            if row.failure:
                await jobs.refuse(session, row.image, row.failure)


def _to_rows(
    user_id: int, request: pb.CreateManifestRequest, check: Check, reserved: Reserved | None
) -> tuple[Batch, list[_Row]]:
    """Return the rows of the manifest, in the order of its items."""
    places = reserved.places if reserved else ()
    batch = to_batch(user_id, file_names.title(request.name), check.options.sizes, len(check.items))
    batch.webhook_url, batch.fetching_images = check.options.webhook_url, len(places)
    free, rows = iter(places), list[_Row]()
    for item in check.items:
        place = None if item.fields else next(free, None)
        image = _to_image(user_id, item, place, api_request=request.api_request)
        source = _to_source(user_id, item, reserved.max_scale) if reserved and not item.fields else None
        if source and place:
            source.due_at = now()
        rows.append(_Row(image, source, None if place else _failure(item)))
    return batch, rows


def _to_image(user_id: int, item: Item, place: Place | None, *, api_request: bool) -> Image:
    """Return the row of an image without a file."""
    stem, sizes = secrets.token_hex(16), item.options.sizes
    result_format = item.options.output.format or "JPEG"
    row = Image(
        user_id=user_id,
        original_filename=item.filename or "image",
        original_path=f"images/originals/{stem}.jpg",  # replaced with the file
        upscaled_path=f"images/upscaled/{stem}.{extension(result_format)}",
        upscaled_format=result_format,
        scale_factor=sizes.scale_factor,
        target_width=sizes.target_width,
        target_height=sizes.target_height,
        api_request=api_request,
        is_priority=place.is_priority if place else False,
        reservation_id=place.reservation_id if place else uuid.uuid4(),  # of no reservation
        reserved_until=place.reserved_until if place else now(),
        reference=None if "reference" in item.fields else item.reference or None,
        original_bytes=0,
        original_width=0,
        original_height=0,
        upscaled_width=0,
        upscaled_height=0,
        turn=NO_FILE_TURN,
    )
    item.options.output.write_to(row)
    if place:
        row.expires_in = expiry.shorter(row.expires_in, place.retention_seconds)
    return row


def _to_source(user_id: int, item: Item, max_scale: int) -> ImageSource:
    return ImageSource(
        image_id=0,  # known once the image is inserted
        user_id=user_id,
        url=item.url or None,
        upload_id=item.upload_id,
        output_format=item.options.output.format,
        max_scale=max_scale,
    )


def _failure(item: Item) -> inference_pb2.Failure:
    """Return why the image of this item has no place."""
    if not item.fields:
        return QUOTA_EXCEEDED
    return inference_pb2.Failure(code=ITEM_REFUSED, message=item.problem, retryable=False)
