"""Holds what all methods of the servicer share: the service's parts, and how they answer with images."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from common.db import now
from imagefile import pyramid
from imagefile.formats import media_type, parse_format
from images.convert import batch_to_proto, to_proto
from images.domain import batches, expiry, overview, previews, queue_estimate
from images.operations.dead_letters import DeadLetters
from images.operations.missing_objects import MissingObjects
from images.queue_estimator import CachedRead, QueueEstimator
from images.tables import UNFINISHED, Batch, Image, Status
from images.uploads import file_names, single
from images.uploads.batch import BatchUploads
from images.uploads.direct import DirectUploads
from images.uploads.estimates import Estimates
from images.uploads.intake import ServiceContext
from images.uploads.manifests import Manifests
from images.uploads.retries import Retries
from loupe.images.v1 import images_pb2 as pb


class Servicer:
    """The base of the classes that implement the methods."""

    def __init__(self, context: ServiceContext, dead_letters: DeadLetters) -> None:
        self._sessions = context.sessions
        self._blobs = context.blobs
        self._memory = context.memory
        self._uploads = single.Uploads(context)
        self._batch_uploads = BatchUploads(context)
        self._direct_uploads = DirectUploads(context)
        self._manifests = Manifests(context)
        self._submissions = context.submissions
        self._retries = Retries(context)
        self._estimates = Estimates(context)
        self._dead_letters = dead_letters
        self._missing_objects = MissingObjects(context)
        self._settings = context.settings
        self._link_lifetime = timedelta(seconds=context.settings.download_seconds)
        self._rules = context.rules
        cold_start = timedelta(seconds=context.settings.cold_start_seconds)
        self._estimator = QueueEstimator(context.sessions, cold_start)
        self._pace = CachedRead(self._read_pace)
        self._storage = CachedRead(self._read_storage)

    async def _read_pace(self) -> sa.Row[Any]:
        async with self._sessions.begin() as session:
            return await overview.read_pace(session)

    async def _read_storage(self) -> sa.Row[Any]:
        async with self._sessions.begin() as session:
            return await overview.read_storage(session)

    async def _queue(self, images: Iterable[Image]) -> queue_estimate.Queue | None:
        """Return the queue if any of the images needs an estimate."""
        return await self._estimator.queue() if any(image.status in UNFINISHED for image in images) else None

    def _batches_to_proto(
        self, found: Iterable[batches.BatchWithImages], queue: queue_estimate.Queue | None
    ) -> list[pb.Batch]:
        return [self._batch_to_proto(batch, images, queue) for batch, images in found]

    def _batch_to_proto(
        self, batch: Batch, images: Iterable[Image], queue: queue_estimate.Queue | None
    ) -> pb.Batch:
        return batch_to_proto(batch, [self._to_proto(image, queue) for image in images])

    def _to_proto(self, image: Image, queue: queue_estimate.Queue | None) -> pb.Image:
        """Convert an image, with the link of its original, and of its result if there is one."""
        link = self._sign_link(image) if image.status == Status.COMPLETED else None
        original_url = self._sign_original(image) if image.has_file else ""
        return to_proto(image, queue, link, original_url, self._sign_previews(image))

    def _sign_original(self, image: Image) -> str:
        """Return the address at which a browser shows the original."""
        return self._blobs.presigned_url(
            image.original_path,
            expiry.within_life(image, self._link_lifetime),
            content_type=media_type(file_names.format_of(image.original_path)),
            disposition="inline",
        )

    def _sign_previews(self, image: Image) -> pb.Previews | None:
        """Return the links of the image's previews, or None if it has none."""
        names = image.previews or ()
        if not names or image.status != Status.COMPLETED:
            return None
        links = {name: self._sign_preview(image, name) for name in names if name.endswith(".webp")}
        return pb.Previews(
            original_url=links.get("original.webp", ""),
            result_url=links.get("result.webp", ""),
            pyramids=[name.removesuffix(".pyramid") for name in names if name.endswith(".pyramid")],
        )

    def _sign_preview(self, image: Image, name: str) -> str:
        """Return a link to one of `contract.PREVIEWS`."""
        kind = media_type("WEBP") if name.endswith(".webp") else pyramid.MEDIA_TYPE
        lifetime = expiry.within_life(image, self._link_lifetime)
        key = previews.key_of(image, name)
        return self._blobs.presigned_url(key, lifetime, content_type=kind, disposition="inline")

    def _sign_link(self, image: Image) -> tuple[str, datetime]:
        """Return the address of the download, and the time at which it expires."""
        format_ = parse_format(image.upscaled_format)
        filename = file_names.for_result(image.original_filename, format_)
        lifetime = expiry.within_life(image, self._link_lifetime)
        url = self._blobs.presigned_url(
            image.upscaled_path,
            lifetime,
            content_type=media_type(format_),
            disposition=file_names.disposition(filename),
        )
        return url, now() + lifetime
