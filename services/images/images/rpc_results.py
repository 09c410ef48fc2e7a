"""The gRPC methods for archives of a batch: its images page by page, and the bytes of their results."""

from collections.abc import AsyncGenerator

from common import rpc
from images.convert import STATUS_FROM_PROTO
from images.domain import batches, library
from images.servicer import Servicer
from loupe.images.v1 import images_pb2 as pb

CHUNK_BYTES = 256 << 10
RANGE_BYTES = 1 << 20
"""An object is read in pieces of this size. Thus a slow reader keeps no connection to the store."""


class ResultMethods(Servicer):
    async def ReadResult(
        self, request: pb.ReadResultRequest, context: rpc.Context
    ) -> AsyncGenerator[pb.ReadResultResponse]:
        async with self._sessions.begin() as session:
            image = await library.get_completed(session, rpc.principal().user_id, request.id)
        size = image.upscaled_bytes or 0
        for offset in range(0, size, RANGE_BYTES):
            length = min(RANGE_BYTES, size - offset)
            data = await self._blobs.get_range(image.upscaled_path, offset, length)
            for start in range(0, length, CHUNK_BYTES):
                yield pb.ReadResultResponse(chunk=data[start : start + CHUNK_BYTES])

    async def ListBatchImages(
        self, request: pb.ListBatchImagesRequest, context: rpc.Context
    ) -> pb.ListBatchImagesResponse:
        async with self._sessions.begin() as session:
            images, total = await batches.image_page(
                session,
                rpc.principal().user_id,
                request.batch_id,
                STATUS_FROM_PROTO.get(request.status),
                number=request.page,
                size=request.per_page,
            )
        queue = await self._queue(images)
        protos = [self._to_proto(image, queue) for image in images]
        return pb.ListBatchImagesResponse(images=protos, total=total)
