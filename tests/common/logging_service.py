"""A small service for tests that read its log. It makes a call that succeeds and one that fails."""

import asyncio
import contextlib
import logging

from common import errors, log, process, rpc, trace
from common.channel import Channel
from common.identity import Verifier
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc
from tests.internal_tokens import TokenIssuer, always

LOG = log.get(__name__)


class Images(images_pb2_grpc.ImagesServiceServicer):
    async def GetImage(self, request: pb.GetImageRequest, context: rpc.Context) -> pb.GetImageResponse:
        LOG.info("looked up", image_id=request.id)
        return pb.GetImageResponse()

    async def DeleteImage(
        self, request: pb.DeleteImageRequest, context: rpc.Context
    ) -> pb.DeleteImageResponse:
        raise KeyError("the cause")


async def run() -> None:
    log.setup("images", level="INFO")
    trace.setup("images")
    issuer = TokenIssuer()
    callers = {"GetImage": rpc.ANY_USER, "DeleteImage": rpc.ANY_USER}
    server = rpc.Server(Verifier("images", issuer.jwks), callers)
    images_pb2_grpc.add_ImagesServiceServicer_to_server(Images(), server.grpc)  # pyright: ignore[reportAbstractUsage]  the other methods are not called
    port = server.bind("127.0.0.1:0")
    await process.run(server.serve(), _calls(port, issuer))


async def _calls(port: int, issuer: TokenIssuer) -> None:
    service = pb.DESCRIPTOR.services_by_name["ImagesService"]
    channel = Channel(f"127.0.0.1:{port}", service, always(issuer.user()))
    images = images_pb2_grpc.ImagesServiceStub(channel.grpc)
    trace.request_id.set("req-1")
    await images.GetImage(pb.GetImageRequest(id=42))
    with contextlib.suppress(errors.Internal):
        await images.DeleteImage(pb.DeleteImageRequest(id=42))
    with log.bound(request_id="req-2"):
        LOG.warning("bound here", text="Grüße\nzweite Zeile")
        logging.getLogger("a.library").warning("from a library %d", 7)
    LOG.debug("below the level")
    LOG.info("ready")
    await channel.close()
    await asyncio.Event().wait()


if __name__ == "__main__":
    process.main(run)
