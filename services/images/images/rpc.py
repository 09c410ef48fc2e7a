"""The gRPC interface of images: decode the request, call the domain in a transaction, encode the response."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta

from common import rpc, timestamps
from common.db import now
from imagefile.formats import media_type, parse_format
from images.catalogue import ALWAYS_SERVED
from images.convert import (
    BATCH_STATUS_FROM_PROTO,
    STATUS_FROM_PROTO,
    announcement_from_proto,
    batch_to_proto,
    fill_usage,
    model_to_proto,
    speeds_from_proto,
    to_order,
    to_proto,
)
from images.domain import batches, jobs, library, models, outcome_replay, pages, queue_estimate
from images.operations.dead_letters import DeadLetters
from images.operations.missing_objects import MissingObjects
from images.queue_estimator import QueueEstimator
from images.tables import UNFINISHED, Batch, Image, Status
from images.uploads import file_names, single
from images.uploads.batch import BatchUploads
from images.uploads.direct import DirectUploads
from images.uploads.intake import ServiceContext
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc

CALLERS = {
    "Upscale": rpc.users("images:write"),
    "GetImage": rpc.users("images:read"),
    "ListImages": rpc.users("images:read"),
    "GetDownload": rpc.users("images:read"),
    "DeleteImage": rpc.users("images:delete"),
    "CreateUpload": rpc.users("images:write"),
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
    """The servicer. `images.proto` describes its methods and their errors."""

    def __init__(self, context: ServiceContext, dead_letters: DeadLetters) -> None:
        self._sessions = context.sessions
        self._blobs = context.blobs
        self._memory = context.memory
        self._uploads = single.Uploads(context)
        self._batch_uploads = BatchUploads(context)
        self._direct_uploads = DirectUploads(context)
        self._dead_letters = dead_letters
        self._missing_objects = MissingObjects(context)
        self._settings = context.settings
        self._link_lifetime = timedelta(seconds=context.settings.download_seconds)
        self._rules = context.rules
        cold_start = timedelta(seconds=context.settings.cold_start_seconds)
        self._estimator = QueueEstimator(context.sessions, cold_start)

    async def Upscale(
        self, request_iterator: AsyncIterator[pb.UpscaleRequest], context: rpc.Context
    ) -> pb.UpscaleResponse:
        user_id = rpc.principal().user_id
        with self._memory.account(user_id) as account:
            largest = self._settings.largest_upload_bytes
            upload = await single.receive(request_iterator, largest, account)
            if upload.upload_id:
                await self._direct_uploads.read_into(upload, user_id, account)
            # read it before: nothing may fail once the image is accepted
            queue = await self._estimator.queue_for_uploads()
            image, usage = await self._uploads.accept(user_id, upload)
        queue.add([image])
        response = pb.UpscaleResponse(image=to_proto(image, queue))
        fill_usage(response, usage)
        return response

    async def CreateUpload(
        self, request: pb.CreateUploadRequest, context: rpc.Context
    ) -> pb.CreateUploadResponse:
        link = await self._direct_uploads.create(rpc.principal().user_id, request)
        return pb.CreateUploadResponse(
            id=str(link.upload.id),
            url=link.url,
            headers=link.headers,
            link_expires_at=timestamps.to_proto(link.expires_at),
            expires_at=timestamps.to_proto(link.upload.expires_at),
        )

    async def GetImage(self, request: pb.GetImageRequest, context: rpc.Context) -> pb.GetImageResponse:
        async with self._sessions.begin() as session:
            image = await library.get(session, rpc.principal().user_id, request.id)
        return pb.GetImageResponse(image=self._to_proto(image, await self._queue([image])))

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
        protos = [self._to_proto(image, queue) for image in images]
        return pb.ListImagesResponse(images=protos, total=total)

    async def GetDownload(
        self, request: pb.GetDownloadRequest, context: rpc.Context
    ) -> pb.GetDownloadResponse:
        async with self._sessions.begin() as session:
            image = await library.get_completed(session, rpc.principal().user_id, request.id)
        url, expires_at = self._sign_link(image)
        filename = file_names.for_result(image.original_filename, parse_format(image.upscaled_format))
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
        queue = await self._estimator.queue_for_uploads()
        batch, images, usage = await self._batch_uploads.accept(user_id, request_iterator)
        queue.add(images)
        response = pb.CreateBatchResponse(batch=self._batch_to_proto(batch, images, queue))
        fill_usage(response, usage)
        return response

    async def GetBatch(self, request: pb.GetBatchRequest, context: rpc.Context) -> pb.GetBatchResponse:
        async with self._sessions.begin() as session:
            user_id, with_images = rpc.principal().user_id, not request.omit_images
            batch, images = await batches.get(session, user_id, request.id, with_images=with_images)
        return pb.GetBatchResponse(batch=self._batch_to_proto(batch, images, await self._queue(images)))

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
        protos = await asyncio.to_thread(
            self._batches_to_proto, found, queue
        )  # signing 2,000 links takes 0.2 s
        return pb.ListBatchesResponse(batches=protos, total=total)

    async def DeleteBatch(
        self, request: pb.DeleteBatchRequest, context: rpc.Context
    ) -> pb.DeleteBatchResponse:
        async with self._sessions.begin() as session:
            user_id = rpc.principal().user_id
            is_cancelled = await batches.cancel_or_delete(session, user_id, request.id, self._rules)
        return pb.DeleteBatchResponse(cancelled=is_cancelled)

    async def ListDeadMessages(
        self, request: pb.ListDeadMessagesRequest, context: rpc.Context
    ) -> pb.ListDeadMessagesResponse:
        return pb.ListDeadMessagesResponse(messages=await self._dead_letters.list_newest(request.limit))

    async def RedriveDeadMessage(
        self, request: pb.RedriveDeadMessageRequest, context: rpc.Context
    ) -> pb.RedriveDeadMessageResponse:
        await self._dead_letters.redrive(request.sequence)
        return pb.RedriveDeadMessageResponse()

    async def CheckObjects(
        self, request: pb.CheckObjectsRequest, context: rpc.Context
    ) -> pb.CheckObjectsResponse:
        return await self._missing_objects.check(request.after_id, mark=request.mark)

    async def ReplayEndings(
        self, request: pb.ReplayEndingsRequest, context: rpc.Context
    ) -> pb.ReplayEndingsResponse:
        since = timestamps.from_proto(request.since)
        async with self._sessions.begin() as session:
            replayed, next_after_id = await outcome_replay.replay(session, request.after_id, since)
        return pb.ReplayEndingsResponse(replayed=replayed, next_after_id=next_after_id)

    async def StartWork(self, request: pb.StartWorkRequest, context: rpc.Context) -> pb.StartWorkResponse:
        served = request.models or ALWAYS_SERVED
        async with self._sessions.begin() as session:
            image = await jobs.start(session, request.image_id, self._rules, served)
        return pb.StartWorkResponse(order=to_order(image, self._settings) if image else None)

    async def StopWork(self, request: pb.StopWorkRequest, context: rpc.Context) -> pb.StopWorkResponse:
        async with self._sessions.begin() as session:
            await jobs.stop(session, request.image_id, request.fence, excused=request.excused)
        return pb.StopWorkResponse()

    async def KeepWorking(
        self, request: pb.KeepWorkingRequest, context: rpc.Context
    ) -> pb.KeepWorkingResponse:
        async with self._sessions.begin() as session:
            is_wanted = await jobs.record_heartbeat(session, request.image_id, request.fence, request.percent)
        return pb.KeepWorkingResponse(wanted=is_wanted)

    async def AnnounceModels(
        self, request: pb.AnnounceModelsRequest, context: rpc.Context
    ) -> pb.AnnounceModelsResponse:
        async with self._sessions.begin() as session:
            await models.announce(session, [announcement_from_proto(model) for model in request.models])
            if request.worker:
                speeds = speeds_from_proto(request)
                await queue_estimate.announce_worker(session, request.worker, speeds, request.places)
        return pb.AnnounceModelsResponse()

    async def ListModels(self, request: pb.ListModelsRequest, context: rpc.Context) -> pb.ListModelsResponse:
        async with self._sessions.begin() as session:
            found = await models.served_models(session, self._rules.model_gone_after)
        return pb.ListModelsResponse(models=[model_to_proto(name, facts) for name, facts in found.items()])

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
        original_url = self._blobs.presigned_url(
            image.original_path,
            self._link_lifetime,
            content_type=media_type(file_names.format_of(image.original_path)),
            disposition="inline",
        )
        return to_proto(image, queue, link, original_url)

    def _sign_link(self, image: Image) -> tuple[str, datetime]:
        """Return the address of the download, and the time at which it expires."""
        format_ = parse_format(image.upscaled_format)
        filename = file_names.for_result(image.original_filename, format_)
        url = self._blobs.presigned_url(
            image.upscaled_path,
            self._link_lifetime,
            content_type=media_type(format_),
            disposition=file_names.disposition(filename),
        )
        return url, now() + self._link_lifetime
