"""Bytes that are no message are the caller's fault: INVALID_ARGUMENT, and the method never sees them."""

from collections.abc import AsyncIterator

import grpc
import pytest

from common import rpc
from loupe.images.v1 import images_pb2 as pb
from tests.common.harness import Serve
from tests.internal_tokens import TokenIssuer

METHODS = "/loupe.images.v1.ImagesService/"
BROKEN = {
    "a length beyond the end": b"\x0a\x7f",
    "an endless number": b"\x08" + b"\xff" * 11,
    "field zero": b"\x00\x00",
    "a name that is no text": b"\x0a\x04\x0a\x02\xff\xfe",
}


@pytest.mark.parametrize(
    "message", [BROKEN["a length beyond the end"], BROKEN["an endless number"], BROKEN["field zero"]]
)
async def test_a_malformed_request_is_an_invalid_argument(
    serve: Serve, issuer: TokenIssuer, message: bytes
) -> None:
    images = await serve(GetImage=never)

    async with grpc.aio.insecure_channel(f"127.0.0.1:{images.port}") as channel:
        call = channel.unary_unary(METHODS + "GetImage")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(message, metadata=(("authorization", issuer.user(7, "images:read")),))

    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_malformed_request_of_a_stranger_is_unauthenticated(serve: Serve) -> None:
    images = await serve(GetImage=never)

    async with grpc.aio.insecure_channel(f"127.0.0.1:{images.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(METHODS + "GetImage")(b"\x0a\x7f")

    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("message", BROKEN.values(), ids=BROKEN)
async def test_a_malformed_message_in_a_stream_is_an_invalid_argument(
    serve: Serve, issuer: TokenIssuer, message: bytes
) -> None:
    received: list[pb.UpscaleRequest] = []

    async def upscale(requests: AsyncIterator[pb.UpscaleRequest], context: rpc.Context) -> pb.UpscaleResponse:
        received.extend([request async for request in requests])
        return pb.UpscaleResponse()

    images = await serve(Upscale=upscale)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{images.port}") as channel:
        call = channel.stream_unary(METHODS + "Upscale")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(
                iter([pb.UpscaleRequest(chunk=b"x").SerializeToString(), message]),
                metadata=(("authorization", issuer.user(7)),),
            )

    assert (caught.value.code(), received) == (grpc.StatusCode.INVALID_ARGUMENT, [])


async def never(request: object, context: rpc.Context) -> pb.GetImageResponse:
    raise AssertionError("this is never called")
