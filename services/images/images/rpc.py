"""The gRPC interface of images: decode the request, call the domain in a transaction, encode the response."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from common import rpc, timestamps
from imagefile.formats import parse_format
from images import announcements
from images.catalogue import ALWAYS_SERVED
from images.convert import (
    BATCH_STATUS_FROM_PROTO,
    STATUS_FROM_PROTO,
    fill_usage,
    model_to_proto,
    to_order,
    to_proto,
)
from images.domain import batches, jobs, library, models, outcome_replay, pages, queue_estimate
from images.rpc_estimates import EstimateMethods
from images.rpc_manifests import ManifestMethods
from images.rpc_operators import OperatorMethods
from images.rpc_pyramids import PyramidMethods
from images.rpc_results import ResultMethods
from images.rpc_retries import RetryMethods
from images.rpc_uploads import UploadMethods
from images.submissions import Submission
from images.tables import Batch, Image
from images.uploads import file_names, single
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc

CALLERS = {
    "Upscale": rpc.users("images:write"),
    "GetImage": rpc.users("images:read"),
    "ListImages": rpc.users("images:read"),
    "GetDownload": rpc.users("images:read"),
    "GetPyramid": rpc.users("images:read"),
    "DeleteImage": rpc.users("images:delete"),
    "CreateUpload": rpc.users("images:write"),
    "CreateBatch": rpc.users("images:write"),
    "CreateManifest": rpc.users("images:write"),
    "ReadResult": rpc.users("images:read"),
    "ListBatchImages": rpc.users("images:read"),
    "GetBatch": rpc.users("images:read"),
    "ListBatches": rpc.users("images:read"),
    "DeleteBatch": rpc.users("images:delete"),
    "Estimate": rpc.users("user:read"),
    "RetryImage": rpc.users("images:write"),
    "RetryBatch": rpc.users("images:write"),
    "ListDeadMessages": rpc.OPERATORS,
    "RedriveDeadMessage": rpc.OPERATORS,
    "GetQueue": rpc.OPERATORS,
    "GetStorage": rpc.OPERATORS,
    "GetSettings": rpc.OPERATORS,
    "CheckObjects": rpc.services("operator"),
    "ReplayEndings": rpc.services("operator"),
    "StartWork": rpc.services("inference"),
    "StopWork": rpc.services("inference"),
    "KeepWorking": rpc.services("inference"),
    "AnnounceModels": rpc.services("inference"),
    "ListModels": rpc.services("gateway"),
    "RenderForDelivery": rpc.services("outbound"),
}


class ImagesService(
    UploadMethods,
    ManifestMethods,
    RetryMethods,
    EstimateMethods,
    ResultMethods,
    PyramidMethods,
    OperatorMethods,
    images_pb2_grpc.ImagesServiceServicer,
):
    """The servicer. `images.proto` describes its methods and their errors."""

    async def Upscale(
        self, request_iterator: AsyncIterator[pb.UpscaleRequest], context: rpc.Context
    ) -> pb.UpscaleResponse:
        user_id = rpc.principal().user_id
        async with self._submissions.begin(user_id, "images/upscale", rpc.metadata(context)) as submission:
            parts = submission.read(request_iterator)
            if submission.stored:
                return await submission.replay(parts, pb.UpscaleResponse())
            return await self._upscale(user_id, parts, submission)

    async def _upscale(
        self, user_id: int, parts: AsyncIterator[pb.UpscaleRequest], submission: Submission
    ) -> pb.UpscaleResponse:
        response = pb.UpscaleResponse()

        async def answer(session: AsyncSession, images: Sequence[Image], _: Batch | None) -> None:
            queue.add(images)
            response.image.CopyFrom(to_proto(images[0], queue))
            await submission.store(session, response)

        with self._memory.account(user_id) as account:
            largest, check = self._settings.largest_upload_bytes, self._uploads.check_options
            upload = await single.receive(parts, largest, account, check)
            if upload.upload_id:
                await self._direct_uploads.read_into(upload, user_id, account)
            queue = await self._estimator.queue_for_uploads()
            _, usage = await self._uploads.accept(user_id, upload, answer)
        fill_usage(response, usage)
        return response

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
        async with self._submissions.begin(user_id, "batches", rpc.metadata(context)) as submission:
            parts = submission.read(request_iterator)
            if submission.stored:
                return await submission.replay(parts, pb.CreateBatchResponse())
            return await self._create_batch(user_id, parts, submission)

    async def _create_batch(
        self, user_id: int, parts: AsyncIterator[pb.CreateBatchRequest], submission: Submission
    ) -> pb.CreateBatchResponse:
        response, queue = pb.CreateBatchResponse(), await self._estimator.queue_for_uploads()

        async def answer(session: AsyncSession, images: Sequence[Image], batch: Batch | None) -> None:
            queue.add(images)
            if batch:
                response.batch.CopyFrom(self._batch_to_proto(batch, images, queue))
            await submission.store(session, response)

        _, _, usage = await self._batch_uploads.accept(user_id, parts, answer)
        fill_usage(response, usage)
        return response

    async def GetBatch(self, request: pb.GetBatchRequest, context: rpc.Context) -> pb.GetBatchResponse:
        async with self._sessions.begin() as session:
            user_id, with_images = rpc.principal().user_id, not request.omit_images
            batch, images = await batches.get(session, user_id, request.id, with_images=with_images)
        return pb.GetBatchResponse(batch=self._batch_to_proto(batch, images, await self._queue(images)))

    async def RenderForDelivery(
        self, request: pb.RenderForDeliveryRequest, context: rpc.Context
    ) -> pb.RenderForDeliveryResponse:
        async with self._sessions.begin() as session:
            if request.batch_id:
                found = await batches.get(session, request.user_id, request.batch_id, with_images=False)
                return pb.RenderForDeliveryResponse(batch=self._batch_to_proto(*found, await self._queue([])))
            image = await library.get(session, request.user_id, request.image_id)
        return pb.RenderForDeliveryResponse(image=self._to_proto(image, await self._queue([image])))

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
        announcements.check(request)
        async with self._sessions.begin() as session:
            await models.announce(session, [announcements.announcement_of(each) for each in request.models])
            if request.worker:
                speeds = announcements.speeds_of(request)
                await queue_estimate.announce_worker(session, request.worker, speeds, request.places)
        return pb.AnnounceModelsResponse()

    async def ListModels(self, request: pb.ListModelsRequest, context: rpc.Context) -> pb.ListModelsResponse:
        async with self._sessions.begin() as session:
            found = await models.served_models(session, self._rules.model_gone_after)
        return pb.ListModelsResponse(models=[model_to_proto(name, facts) for name, facts in found.items()])
