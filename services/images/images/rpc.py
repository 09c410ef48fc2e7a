"""Protobuf in, domain, protobuf out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from common import rpc, timestamps
from common.db import now
from images.catalogue import USUAL
from images.convert import (
    BATCH_STATUS_FROM_PROTO,
    STATUS_FROM_PROTO,
    batch_to_proto,
    model_to_proto,
    offer_from_proto,
    to_order,
    to_proto,
)
from images.domain import batches, jobs, library, models, outcome_replay, pages, queue_estimate
from images.formats.formats import Format, media_type
from images.operations.dead_letters import DeadLetters
from images.operations.missing_objects import MissingObjects
from images.tables import UNFINISHED, Batch, Image, Status
from images.uploads import file_names, single
from images.uploads.batch import BatchUploads
from images.uploads.intake import ServiceContext
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc

CALLERS = {
    "Upscale": rpc.users("images:write"),
    "GetImage": rpc.users("images:read"),
    "ListImages": rpc.users("images:read"),
    "GetDownload": rpc.users("images:read"),
    "DeleteImage": rpc.users("images:delete"),
    "CreateBatch": rpc.users("images:write"),
    "GetBatch": rpc.users("images:read"),
    "ListBatches": rpc.users("images:read"),
    "DeleteBatch": rpc.users("images:delete"),
    "ListDeadMessages": rpc.services("operator"),
    "RedriveDeadMessage": rpc.services("operator"),
    "CheckObjects": rpc.services("operator"),
    "ReplayEndings": rpc.services("operator"),
    "StartWork": rpc.services("inference"),
    "StopWork": rpc.services("inference"),
    "KeepWorking": rpc.services("inference"),
    "AnnounceModels": rpc.services("inference"),
    "ListModels": rpc.services("gateway"),
}


class ImagesService(images_pb2_grpc.ImagesServiceServicer):
    def __init__(self, means: ServiceContext, dead: DeadLetters) -> None:
        self._sessions = means.sessions
        self._blobs = means.blobs
        self._uploads = single.Uploads(means)
        self._batch_uploads = BatchUploads(means)
        self._dead = dead
        self._missing = MissingObjects(means)
        self._largest_bytes = means.settings.largest_upload_bytes
        self._downloadable_for = timedelta(seconds=means.settings.download_seconds)
        self._rules = means.rules
        self._waiting = queue_estimate.QueueEstimator(
            means.sessions, timedelta(seconds=means.settings.cold_start_seconds)
        )

    async def Upscale(
        self, request_iterator: AsyncIterator[pb.UpscaleRequest], context: rpc.Context
    ) -> pb.UpscaleResponse:
        upload = await single.receive(request_iterator, self._largest_bytes)
        queue = await self._waiting.look()  # once it is accepted nothing may fail any more
        image, usage = await self._uploads.accept(rpc.principal().user_id, upload)
        shown = to_proto(image, queue.joined_by([image]))
        return pb.UpscaleResponse(image=shown, quota_used=usage.used, quota_limit=_limit(usage))

    async def GetImage(self, request: pb.GetImageRequest, context: rpc.Context) -> pb.GetImageResponse:
        async with self._sessions.begin() as session:
            image = await library.of_user(session, rpc.principal().user_id, request.id)
        return pb.GetImageResponse(image=to_proto(image, await self._queue([image]), self._link(image)))

    async def ListImages(self, request: pb.ListImagesRequest, context: rpc.Context) -> pb.ListImagesResponse:
        async with self._sessions.begin() as session:
            images, total = await pages.page(
                session,
                rpc.principal().user_id,
                STATUS_FROM_PROTO.get(request.status),
                number=request.page,
                size=request.per_page,
            )
        queue = await self._queue(images)
        shown = [to_proto(image, queue, self._link(image)) for image in images]
        return pb.ListImagesResponse(images=shown, total=total)

    async def GetDownload(
        self, request: pb.GetDownloadRequest, context: rpc.Context
    ) -> pb.GetDownloadResponse:
        async with self._sessions.begin() as session:
            image = await library.downloadable(session, rpc.principal().user_id, request.id)
        url, expires_at = self._signed(image)
        filename = file_names.of_result(image.original_filename, Format(image.upscaled_format))
        return pb.GetDownloadResponse(
            download_url=url, expires_at=timestamps.to_proto(expires_at), filename=filename
        )

    async def DeleteImage(
        self, request: pb.DeleteImageRequest, context: rpc.Context
    ) -> pb.DeleteImageResponse:
        async with self._sessions.begin() as session:
            await library.delete(session, rpc.principal().user_id, request.id, self._rules)
        return pb.DeleteImageResponse()

    async def CreateBatch(
        self, request_iterator: AsyncIterator[pb.CreateBatchRequest], context: rpc.Context
    ) -> pb.CreateBatchResponse:
        user_id = rpc.principal().user_id
        queue = await self._waiting.look()
        batch, images, usage = await self._batch_uploads.accept(user_id, request_iterator)
        shown = self._batch(batch, images, queue.joined_by(images))
        return pb.CreateBatchResponse(batch=shown, quota_used=usage.used, quota_limit=_limit(usage))

    async def GetBatch(self, request: pb.GetBatchRequest, context: rpc.Context) -> pb.GetBatchResponse:
        async with self._sessions.begin() as session:
            batch, images = await batches.of_user(session, rpc.principal().user_id, request.id)
        return pb.GetBatchResponse(batch=self._batch(batch, images, await self._queue(images)))

    async def ListBatches(
        self, request: pb.ListBatchesRequest, context: rpc.Context
    ) -> pb.ListBatchesResponse:
        async with self._sessions.begin() as session:
            found, total = await batches.page(
                session,
                rpc.principal().user_id,
                BATCH_STATUS_FROM_PROTO.get(request.status),
                number=request.page,
                size=request.per_page,
            )
        queue = await self._queue(image for _, images in found for image in images)
        shown = await asyncio.to_thread(self._all, found, queue)  # two thousand links take 0.2 s to sign
        return pb.ListBatchesResponse(batches=shown, total=total)

    async def DeleteBatch(
        self, request: pb.DeleteBatchRequest, context: rpc.Context
    ) -> pb.DeleteBatchResponse:
        async with self._sessions.begin() as session:
            user_id = rpc.principal().user_id
            is_cancelled = await batches.delete(session, user_id, request.id, self._rules)
        return pb.DeleteBatchResponse(cancelled=is_cancelled)

    async def ListDeadMessages(
        self, request: pb.ListDeadMessagesRequest, context: rpc.Context
    ) -> pb.ListDeadMessagesResponse:
        return pb.ListDeadMessagesResponse(messages=await self._dead.newest(request.limit))

    async def RedriveDeadMessage(
        self, request: pb.RedriveDeadMessageRequest, context: rpc.Context
    ) -> pb.RedriveDeadMessageResponse:
        await self._dead.redrive(request.sequence)
        return pb.RedriveDeadMessageResponse()

    async def CheckObjects(
        self, request: pb.CheckObjectsRequest, context: rpc.Context
    ) -> pb.CheckObjectsResponse:
        return await self._missing.check(request.after_id, mark=request.mark)

    async def ReplayEndings(
        self, request: pb.ReplayEndingsRequest, context: rpc.Context
    ) -> pb.ReplayEndingsResponse:
        since = timestamps.from_proto(request.since)
        async with self._sessions.begin() as session:
            replayed, next_after_id = await outcome_replay.replay(session, request.after_id, since)
        return pb.ReplayEndingsResponse(replayed=replayed, next_after_id=next_after_id)

    async def StartWork(self, request: pb.StartWorkRequest, context: rpc.Context) -> pb.StartWorkResponse:
        served = request.models or USUAL
        image = await self._first_of_all(request.image_id, served) if request.takes_another else None
        image = image or await self._started(request.image_id, served)
        return pb.StartWorkResponse(order=to_order(image) if image else None)

    async def StopWork(self, request: pb.StopWorkRequest, context: rpc.Context) -> pb.StopWorkResponse:
        async with self._sessions.begin() as session:
            await jobs.stop(session, request.image_id, request.fence, excused=request.excused)
        return pb.StopWorkResponse()

    async def KeepWorking(
        self, request: pb.KeepWorkingRequest, context: rpc.Context
    ) -> pb.KeepWorkingResponse:
        async with self._sessions.begin() as session:
            wanted = await jobs.keep(session, request.image_id, request.fence, request.percent)
        return pb.KeepWorkingResponse(wanted=wanted)

    async def AnnounceModels(
        self, request: pb.AnnounceModelsRequest, context: rpc.Context
    ) -> pb.AnnounceModelsResponse:
        async with self._sessions.begin() as session:
            await models.announce(session, [offer_from_proto(offer) for offer in request.models])
            if request.worker:
                pace = request.megapixels_per_second or None
                await queue_estimate.announce(session, request.worker, pace)
        return pb.AnnounceModelsResponse()

    async def ListModels(self, request: pb.ListModelsRequest, context: rpc.Context) -> pb.ListModelsResponse:
        async with self._sessions.begin() as session:
            found = await models.served(session, self._rules.model_gone_after)
        return pb.ListModelsResponse(models=[model_to_proto(name, facts) for name, facts in found.items()])

    async def _started(self, image_id: int, served: Collection[str]) -> Image | None:
        async with self._sessions.begin() as session:
            return await jobs.start(session, image_id, self._rules, served)

    async def _first_of_all(self, image_id: int, served: Collection[str]) -> Image | None:
        """One of the priority queue that waits longer than that image, which is not of it or came later.

        One that waits no more steps back for nobody: its message would only come again and again.
        """
        first = await self._waiting.first()
        if not first or not await self._waits(image_id):
            return None
        while another := _before(image_id, first, served):
            del first[another]  # at once: others look too
            with contextlib.suppress(jobs.Busy):
                if image := await self._started(another, served):
                    return image
        first.pop(image_id, None)
        return None

    async def _waits(self, image_id: int) -> bool:
        async with self._sessions.begin() as session:
            return await queue_estimate.waits(session, image_id)

    async def _queue(self, images: Iterable[Image]) -> queue_estimate.Queue | None:
        """Where any of them is unfinished."""
        return await self._waiting.look() if any(image.status in UNFINISHED for image in images) else None

    def _all(self, found: Iterable[batches.Found], queue: queue_estimate.Queue | None) -> list[pb.Batch]:
        return [self._batch(batch, images, queue) for batch, images in found]

    def _batch(self, batch: Batch, images: Iterable[Image], queue: queue_estimate.Queue | None) -> pb.Batch:
        return batch_to_proto(batch, [to_proto(image, queue, self._link(image)) for image in images])

    def _link(self, image: Image) -> tuple[str, datetime] | None:
        return self._signed(image) if image.status == Status.COMPLETED else None

    def _signed(self, image: Image) -> tuple[str, datetime]:
        format_ = Format(image.upscaled_format)
        filename = file_names.of_result(image.original_filename, format_)
        url = self._blobs.presigned_url(
            image.upscaled_path,
            self._downloadable_for,
            content_type=media_type(format_),
            disposition=file_names.disposition(filename),
        )
        return url, now() + self._downloadable_for


def _before(image_id: int, first: Mapping[int, str], served: Collection[str]) -> int | None:
    if image_id in first:
        return None
    return next((another for another, model in first.items() if model in served), None)


def _limit(usage: billing_pb2.Usage) -> int | None:
    return usage.limit if usage.HasField("limit") else None
