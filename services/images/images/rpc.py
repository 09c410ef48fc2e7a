"""Protobuf in, domain, protobuf out."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from common import rpc, timestamps
from common.blobs import Blobs
from common.db import Sessions, now
from images import names, uploads
from images.convert import STATUS_FROM_PROTO, to_order, to_proto
from images.domain import jobs, library
from images.formats import Format, media_type
from images.settings import Settings
from images.tables import Image, Status
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc

CALLERS = {
    "Upscale": rpc.users("images:write"),
    "GetImage": rpc.users("images:read"),
    "ListImages": rpc.users("images:read"),
    "GetDownload": rpc.users("images:read"),
    "DeleteImage": rpc.users("images:delete"),
    "StartWork": rpc.services("inference"),
    "StopWork": rpc.services("inference"),
    "KeepWorking": rpc.services("inference"),
}


class ImagesService(images_pb2_grpc.ImagesServiceServicer):
    def __init__(
        self,
        sessions: Sessions,
        blobs: Blobs,
        accepting: uploads.Uploads,
        settings: Settings,
        rules: jobs.Rules,
    ) -> None:
        self._sessions = sessions
        self._blobs = blobs
        self._uploads = accepting
        self._largest_bytes = settings.largest_upload_bytes
        self._downloadable_for = timedelta(seconds=settings.download_seconds)
        self._rules = rules

    async def Upscale(
        self, request_iterator: AsyncIterator[pb.UpscaleRequest], context: rpc.Context
    ) -> pb.UpscaleResponse:
        upload = await uploads.receive(request_iterator, self._largest_bytes)
        image, usage = await self._uploads.accept(rpc.principal().user_id, upload)
        limit = usage.limit if usage.HasField("limit") else None
        return pb.UpscaleResponse(image=to_proto(image), quota_used=usage.used, quota_limit=limit)

    async def GetImage(self, request: pb.GetImageRequest, context: rpc.Context) -> pb.GetImageResponse:
        async with self._sessions.begin() as session:
            image = await library.of_user(session, rpc.principal().user_id, request.id)
        return pb.GetImageResponse(image=to_proto(image, self._link(image)))

    async def ListImages(self, request: pb.ListImagesRequest, context: rpc.Context) -> pb.ListImagesResponse:
        async with self._sessions.begin() as session:
            images, total = await library.page(
                session,
                rpc.principal().user_id,
                STATUS_FROM_PROTO.get(request.status),
                number=request.page,
                size=request.per_page,
            )
        return pb.ListImagesResponse(
            images=[to_proto(image, self._link(image)) for image in images], total=total
        )

    async def GetDownload(
        self, request: pb.GetDownloadRequest, context: rpc.Context
    ) -> pb.GetDownloadResponse:
        async with self._sessions.begin() as session:
            image = await library.downloadable(session, rpc.principal().user_id, request.id)
        url, expires_at = self._signed(image)
        filename = names.of_result(image.original_filename, Format(image.upscaled_format))
        return pb.GetDownloadResponse(
            download_url=url, expires_at=timestamps.to_proto(expires_at), filename=filename
        )

    async def DeleteImage(
        self, request: pb.DeleteImageRequest, context: rpc.Context
    ) -> pb.DeleteImageResponse:
        async with self._sessions.begin() as session:
            await library.delete(session, rpc.principal().user_id, request.id, self._rules)
        return pb.DeleteImageResponse()

    async def StartWork(self, request: pb.StartWorkRequest, context: rpc.Context) -> pb.StartWorkResponse:
        async with self._sessions.begin() as session:
            image = await jobs.start(session, request.image_id, self._rules)
        return pb.StartWorkResponse(order=to_order(image) if image else None)

    async def StopWork(self, request: pb.StopWorkRequest, context: rpc.Context) -> pb.StopWorkResponse:
        async with self._sessions.begin() as session:
            await jobs.stop(session, request.image_id, request.fence, excused=request.excused)
        return pb.StopWorkResponse()

    async def KeepWorking(
        self, request: pb.KeepWorkingRequest, context: rpc.Context
    ) -> pb.KeepWorkingResponse:
        async with self._sessions.begin() as session:
            wanted = await jobs.keep(session, request.image_id, request.fence)
        return pb.KeepWorkingResponse(wanted=wanted)

    def _link(self, image: Image) -> tuple[str, datetime] | None:
        return self._signed(image) if image.status == Status.COMPLETED else None

    def _signed(self, image: Image) -> tuple[str, datetime]:
        format_ = Format(image.upscaled_format)
        filename = names.of_result(image.original_filename, format_)
        url = self._blobs.presigned_url(
            image.upscaled_path,
            self._downloadable_for,
            content_type=media_type(format_),
            disposition=names.disposition(filename),
        )
        return url, now() + self._downloadable_for
