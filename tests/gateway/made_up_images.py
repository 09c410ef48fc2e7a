"""An images service that makes bytes up: one batch of completed images, of any size."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import grpc

from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc

CHUNK = bytes(256 << 10)


@dataclass
class MadeUpImages(images_pb2_grpc.ImagesServiceServicer):
    """Each entry of `sizes` is the length of a result."""

    sizes: list[int]
    status: int = pb.BATCH_STATUS_COMPLETED
    gone_after: int = 1 << 62
    """The bytes after which the object of the last image disappears."""
    may_read: asyncio.Event = field(default_factory=asyncio.Event)
    """Results are sent only once it is set."""
    reading: int = 0
    """How many results are being read."""

    def __post_init__(self) -> None:
        self.may_read.set()

    async def GetBatch(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchResponse:
        return pb.GetBatchResponse(batch=pb.Batch(id=request.id, name="Made up", status=self.status))  # pyright: ignore[reportArgumentType]

    async def ListBatchImages(
        self, request: pb.ListBatchImagesRequest, context: Any
    ) -> pb.ListBatchImagesResponse:
        start = (request.page - 1) * request.per_page
        numbered = list(enumerate(self.sizes, 1))[start : start + request.per_page]
        images = [
            pb.Image(
                id=number,
                original_filename="photo.png",
                result_filename="photo.png",
                upscaled_bytes=size,
                original_bytes=1,
                status=pb.STATUS_COMPLETED,
            )
            for number, size in numbered
        ]
        return pb.ListBatchImagesResponse(images=images, total=len(self.sizes))

    async def ReadResult(
        self, request: pb.ReadResultRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncGenerator[pb.ReadResultResponse]:
        self.reading += 1
        try:
            await self.may_read.wait()
            left = self.sizes[request.id - 1]
            sent = 0
            while left:
                if request.id == len(self.sizes) and sent >= self.gone_after:
                    await context.abort(grpc.StatusCode.INTERNAL, "the object is gone")
                chunk = CHUNK[: min(left, len(CHUNK))]
                yield pb.ReadResultResponse(chunk=chunk)
                left, sent = left - len(chunk), sent + len(chunk)
        finally:
            self.reading -= 1


def making_up(sizes: list[int], **fields: Any) -> MadeUpImages:
    """Return a service with results of these lengths."""
    return MadeUpImages(sizes, **fields)  # pyright: ignore[reportAbstractUsage]  it has the methods that are called


@contextlib.asynccontextmanager
async def serving(images: MadeUpImages) -> AsyncGenerator[str]:
    """Serve these images, and yield the address."""
    server = grpc.aio.server()
    images_pb2_grpc.add_ImagesServiceServicer_to_server(images, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)
