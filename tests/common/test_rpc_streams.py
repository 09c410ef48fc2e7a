"""A method that streams its answer is authorized and ended like any other. Errors arrive after parts."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import cast

import pytest

from common import errors, rpc
from common.channel import Channel
from common.identity import Verifier
from loupe.images.v1 import images_pb2
from loupe.outbound.v1 import outbound_pb2 as pb
from loupe.outbound.v1 import outbound_pb2_grpc
from tests.common.harness import Serve
from tests.internal_tokens import TokenIssuer, always

SERVICE = pb.DESCRIPTOR.services_by_name["OutboundService"]
REQUEST = pb.FetchRequest(url="https://example.com/")


class Streaming:
    """The method `Fetch`: it sends three chunks, then raises or waits for ever."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.ended = asyncio.Event()
        self.callers: list[int] = []

    async def fetch(self, request: pb.FetchRequest, context: rpc.Context) -> AsyncGenerator[pb.FetchResponse]:
        self.callers.append(rpc.principal().user_id)
        try:
            for number in range(3):
                yield pb.FetchResponse(chunk=bytes([number]))
            if self._error:
                raise self._error
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@asynccontextmanager
async def serving(servicer: Streaming, *abilities: str) -> AsyncGenerator[AsyncGenerator[pb.FetchResponse]]:
    """Yield the answers of one call by a user with these abilities."""
    issuer = TokenIssuer()
    server = rpc.Server(Verifier("outbound", issuer.jwks), {"Fetch": rpc.users("images:write")})
    registered = outbound_pb2_grpc.OutboundServiceServicer()  # pyright: ignore[reportAbstractUsage]
    setattr(registered, "Fetch", servicer.fetch)  # noqa: B010
    outbound_pb2_grpc.add_OutboundServiceServicer_to_server(registered, server.grpc)
    port = server.bind("127.0.0.1:0")
    running = asyncio.create_task(server.serve())
    channel = Channel(f"127.0.0.1:{port}", SERVICE, always(issuer.user(7, *abilities, audience="outbound")))
    await channel.ready()
    stub = outbound_pb2_grpc.OutboundServiceStub(channel.grpc)
    async with aclosing(cast("AsyncGenerator[pb.FetchResponse]", stub.Fetch(REQUEST))) as answers:
        yield answers
    await channel.close()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_an_error_keeps_its_class_and_fields_after_parts_of_the_answer() -> None:
    servicer = Streaming(
        errors.InvalidArgument("too large", reason="too_large", fields={"url": ["Too large."]})
    )

    async with serving(servicer, "images:write") as answers:
        chunks = [(await anext(answers)).chunk for _ in range(3)]
        with pytest.raises(errors.InvalidArgument) as caught:
            await anext(answers)

    assert chunks == [b"\x00", b"\x01", b"\x02"]
    assert (caught.value.reason, caught.value.fields) == ("too_large", {"url": ["Too large."]})
    assert servicer.callers == [7]


async def test_an_unexpected_error_of_a_stream_reveals_nothing() -> None:
    async with serving(Streaming(KeyError("password=hunter2")), "images:write") as answers:
        with pytest.raises(errors.Internal) as caught:
            async for _ in answers:
                pass

    assert "hunter2" not in caught.value.message


async def test_a_stream_is_refused_without_the_ability() -> None:
    servicer = Streaming()
    async with serving(servicer, "images:read") as answers:
        with pytest.raises(errors.PermissionDenied):
            await anext(answers)

    assert servicer.callers == []


async def test_a_caller_that_stops_reading_ends_the_method() -> None:
    servicer = Streaming()
    async with serving(servicer, "images:write") as answers:
        assert (await anext(answers)).chunk == b"\x00"
        await answers.aclose()
        await servicer.ended.wait()


async def test_an_early_answer_ends_a_caller_that_waits_for_its_next_message(serve: Serve) -> None:
    has_stopped = asyncio.Event()

    async def refuse(parts: AsyncIterator[images_pb2.UpscaleRequest], context: rpc.Context) -> None:
        await anext(parts)
        raise errors.AlreadyExists("again", reason="again")

    async def parts() -> AsyncGenerator[images_pb2.UpscaleRequest]:
        try:
            yield images_pb2.UpscaleRequest(chunk=b"first")
            await asyncio.Event().wait()
        finally:
            has_stopped.set()

    images = await serve(Upscale=refuse)

    with pytest.raises(errors.AlreadyExists):
        await images.stub.Upscale(parts())
    assert has_stopped.is_set()


async def test_an_early_response_is_returned_to_a_caller_that_waits(serve: Serve) -> None:
    async def answer(
        parts: AsyncIterator[images_pb2.UpscaleRequest], context: rpc.Context
    ) -> images_pb2.UpscaleResponse:
        await anext(parts)
        return images_pb2.UpscaleResponse(replayed=True)

    async def parts() -> AsyncGenerator[images_pb2.UpscaleRequest]:
        yield images_pb2.UpscaleRequest(chunk=b"first")
        await asyncio.Event().wait()

    images = await serve(Upscale=answer)

    assert (await images.stub.Upscale(parts())).replayed


async def test_a_timeout_of_the_callers_own_messages_is_raised_unchanged(serve: Serve) -> None:
    async def read(parts: AsyncIterator[images_pb2.UpscaleRequest], context: rpc.Context) -> None:
        async for _ in parts:
            pass

    async def parts() -> AsyncGenerator[images_pb2.UpscaleRequest]:
        yield images_pb2.UpscaleRequest(chunk=b"first")
        raise TimeoutError("mine")

    images = await serve(Upscale=read)

    with pytest.raises(TimeoutError, match="mine"):
        await images.stub.Upscale(parts())
