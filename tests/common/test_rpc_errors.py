"""The caller catches the error that the servicer raised. Connection failures have their own classes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy.exc import OperationalError

from common import errors, rpc
from common.channel import Channel
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc
from tests.common.harness import SERVICE, Serve

KINDS = [kind for kind in errors.type_of_code.values() if kind is not errors.Unavailable]
REQUEST = pb.GetImageRequest(id=1)


def raising(error: Exception) -> Callable[..., Awaitable[object]]:
    async def method(request: object, context: rpc.Context) -> object:
        raise error

    return method


@pytest.mark.parametrize("kind", KINDS)
async def test_a_service_error_keeps_class_reason_message_and_fields(
    serve: Serve, kind: type[errors.ServiceError]
) -> None:
    fields = {"image": ["Too large — 11 MB.", "Corrupt."], "scale_factor": ["Not a number."]}
    images = await serve(GetImage=raising(kind("no image 1 — größer", reason="the_reason", fields=fields)))

    with pytest.raises(kind) as caught:
        await images.stub.GetImage(REQUEST)

    assert type(caught.value) is kind
    assert caught.value.reason == "the_reason"
    assert caught.value.message == str(caught.value) == "no image 1 — größer"
    assert caught.value.fields == fields


async def test_the_caller_learns_after_how_many_seconds_a_refusal_ends(serve: Serve) -> None:
    images = await serve(GetImage=raising(errors.refused_for(17, refusals.TOO_MANY_UNDECODABLE)))

    with pytest.raises(errors.ResourceExhausted) as caught:
        await images.stub.GetImage(REQUEST)

    assert caught.value.retry_after_seconds == 17


async def test_an_unexpected_error_reveals_nothing_to_the_caller(serve: Serve) -> None:
    images = await serve(GetImage=raising(KeyError("password=hunter2")))

    with pytest.raises(errors.Internal) as caught:
        await images.stub.GetImage(REQUEST)

    assert caught.value.reason == "internal_error"
    assert "hunter2" not in caught.value.message


async def test_an_unreachable_database_is_unavailable(serve: Serve) -> None:
    images = await serve(DeleteImage=raising(OperationalError("SELECT secret", {}, Exception("no route"))))

    with pytest.raises(errors.Unavailable) as caught:
        await images.stub.DeleteImage(pb.DeleteImageRequest(id=1))

    assert caught.value.reason == "database_unavailable"
    assert "secret" not in caught.value.message


async def test_the_response_is_returned(serve: Serve) -> None:
    async def get(request: pb.GetImageRequest, context: rpc.Context) -> pb.GetImageResponse:
        return pb.GetImageResponse(image=pb.Image(id=request.id))

    images = await serve(GetImage=get)

    assert (await images.stub.GetImage(pb.GetImageRequest(id=42))).image.id == 42


async def test_an_exceeded_deadline_raises_and_cancels_the_servicer(serve: Serve) -> None:
    cancelled = asyncio.Event()

    async def hang(request: object, context: rpc.Context) -> object:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    images = await serve(GetImage=hang)

    with pytest.raises(errors.DeadlineExceeded):
        await images.stub.GetImage(REQUEST, timeout=0.3)

    await asyncio.wait_for(cancelled.wait(), 5)


async def test_an_unreachable_server_is_unavailable(serve: Serve) -> None:
    images = await serve()
    await images.stop()

    with pytest.raises(errors.Unavailable):
        await images.stub.GetImage(REQUEST)


async def test_a_server_that_stops_during_a_call_is_unavailable(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "DRAIN_SECONDS", 0.1)
    started = asyncio.Event()

    async def hang(request: object, context: rpc.Context) -> object:
        started.set()
        return await asyncio.Event().wait()

    images = await serve(DeleteImage=hang)
    call = asyncio.ensure_future(images.stub.DeleteImage(pb.DeleteImageRequest(id=1)))
    await asyncio.wait_for(started.wait(), 5)

    await images.stop()

    with pytest.raises(errors.Unavailable):
        await call


async def test_a_stopping_server_finishes_open_calls(serve: Serve) -> None:
    started, may_end = asyncio.Event(), asyncio.Event()

    async def slow(request: object, context: rpc.Context) -> pb.DeleteImageResponse:
        started.set()
        await may_end.wait()
        return pb.DeleteImageResponse()

    images = await serve(DeleteImage=slow)
    call = asyncio.ensure_future(images.stub.DeleteImage(pb.DeleteImageRequest(id=1)))
    await asyncio.wait_for(started.wait(), 5)

    stopping = asyncio.create_task(images.stop())
    await asyncio.wait({stopping}, timeout=0.3)
    is_waiting = not stopping.done()
    may_end.set()

    assert await call == pb.DeleteImageResponse()
    assert is_waiting
    await asyncio.wait_for(stopping, 5)


def failing_at_first(times: int) -> tuple[list[int], Callable[..., Awaitable[object]]]:
    """Return a method whose first `times` calls end as unavailable, and the list of its calls."""
    calls: list[int] = []

    async def method(request: pb.GetImageRequest | pb.DeleteImageRequest, context: rpc.Context) -> object:
        calls.append(request.id)
        if len(calls) <= times:
            raise errors.Unavailable("not now", reason="not_now")
        return pb.GetImageResponse() if isinstance(request, pb.GetImageRequest) else pb.DeleteImageResponse()

    return calls, method


async def test_an_idempotent_method_is_retried(serve: Serve) -> None:
    calls, method = failing_at_first(2)
    images = await serve(GetImage=method)

    await images.stub.GetImage(REQUEST)

    assert calls == [1, 1, 1]


async def test_a_call_that_a_stopping_server_has_not_taken_is_made_again() -> None:
    """gRPC answers it with CANCELLED, without the details of a refusal."""
    calls: list[bytes] = []

    async def get(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        calls.append(request)
        if len(calls) == 1:
            await context.abort(grpc.StatusCode.CANCELLED)
        return pb.GetImageResponse().SerializeToString()

    server = grpc.aio.server()
    handlers = {"GetImage": grpc.unary_unary_rpc_method_handler(get)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = Channel(f"127.0.0.1:{port}", SERVICE)
    answer = await images_pb2_grpc.ImagesServiceStub(channel.grpc).GetImage(REQUEST)
    await channel.close()
    await server.stop(None)

    assert answer == pb.GetImageResponse()
    assert len(calls) == 2


async def test_an_idempotent_method_is_called_at_most_three_times(serve: Serve) -> None:
    calls, method = failing_at_first(10)
    images = await serve(GetImage=method)

    with pytest.raises(errors.Unavailable) as caught:
        await images.stub.GetImage(REQUEST)

    assert caught.value.reason == "not_now"
    assert calls == [1, 1, 1]


async def test_another_method_is_never_retried(serve: Serve) -> None:
    calls, method = failing_at_first(1)
    images = await serve(DeleteImage=method)

    with pytest.raises(errors.Unavailable):
        await images.stub.DeleteImage(pb.DeleteImageRequest(id=1))

    assert calls == [1]


async def test_a_refusal_is_never_retried(serve: Serve) -> None:
    calls: list[int] = []

    async def refuse(request: pb.GetImageRequest, context: rpc.Context) -> object:
        calls.append(request.id)
        raise errors.NotFound("no image 1", reason="image_not_found")

    images = await serve(GetImage=refuse)

    with pytest.raises(errors.NotFound):
        await images.stub.GetImage(REQUEST)

    assert calls == [1]


async def test_health_needs_no_token(serve: Serve) -> None:
    images = await serve()

    async with grpc.aio.insecure_channel(f"127.0.0.1:{images.port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(  # pyright: ignore[reportAttributeAccessIssue]
            health_pb2.HealthCheckRequest()
        )

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def chunk() -> pb.UpscaleRequest:
    return pb.UpscaleRequest(chunk=bytes(200_000))


async def test_an_upload_is_answered_after_its_end(serve: Serve) -> None:
    async def upscale(requests: AsyncIterator[pb.UpscaleRequest], context: rpc.Context) -> object:
        return pb.UpscaleResponse(quota_used=sum([len(request.chunk) async for request in requests]))

    async def upload() -> AsyncIterator[pb.UpscaleRequest]:
        for _ in range(5):
            yield chunk()

    images = await serve(Upscale=upscale)

    assert (await images.stub.Upscale(upload())).quota_used == 1_000_000


@pytest.mark.parametrize("attempt", range(20))  # gRPC loses the status in one of thirty
async def test_a_refusal_stops_the_upload(serve: Serve, attempt: int) -> None:
    sent = 0

    async def upscale(requests: AsyncIterator[pb.UpscaleRequest], context: rpc.Context) -> object:
        await anext(requests)
        raise errors.invalid({"image": ["The image is too large."]})

    async def upload() -> AsyncIterator[pb.UpscaleRequest]:
        nonlocal sent
        while sent < 2000:
            sent += 1
            yield chunk()

    images = await serve(Upscale=upscale)

    with pytest.raises(errors.InvalidArgument) as caught:
        await images.stub.Upscale(upload())

    assert caught.value.fields == {"image": ["The image is too large."]}
    assert sent < 2000


async def test_an_early_answer_stops_the_upload(serve: Serve) -> None:
    async def upscale(requests: AsyncIterator[pb.UpscaleRequest], context: rpc.Context) -> object:
        await anext(requests)
        return pb.UpscaleResponse(quota_used=3)

    async def upload() -> AsyncIterator[pb.UpscaleRequest]:
        for _ in range(2000):
            yield chunk()

    images = await serve(Upscale=upscale)

    assert (await images.stub.Upscale(upload())).quota_used == 3


class BrowserGone(Exception):
    pass


async def test_an_error_of_the_uploader_is_raised_unchanged_and_cancels_the_servicer(serve: Serve) -> None:
    received, cancelled = asyncio.Event(), asyncio.Event()

    async def upscale(requests: AsyncIterator[pb.UpscaleRequest], context: rpc.Context) -> object:
        try:
            async for _ in requests:
                received.set()
            await asyncio.Event().wait()  # gRPC first ends the iterator, then cancels
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return pb.UpscaleResponse()

    async def upload() -> AsyncIterator[pb.UpscaleRequest]:
        yield chunk()
        await received.wait()
        raise BrowserGone("the browser went away")

    images = await serve(Upscale=upscale)

    with pytest.raises(BrowserGone, match="the browser went away"):
        await images.stub.Upscale(upload())

    await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_cancelled_caller_cancels_the_servicer(serve: Serve) -> None:
    received, cancelled = asyncio.Event(), asyncio.Event()

    async def upscale(requests: AsyncIterator[pb.UpscaleRequest], context: rpc.Context) -> object:
        try:
            async for _ in requests:
                received.set()
            await asyncio.Event().wait()  # gRPC first ends the iterator, then cancels
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return pb.UpscaleResponse()

    async def upload() -> AsyncIterator[pb.UpscaleRequest]:
        yield chunk()
        await asyncio.Event().wait()

    images = await serve(Upscale=upscale)
    call = asyncio.ensure_future(images.stub.Upscale(upload()))
    await asyncio.wait_for(received.wait(), 5)

    call.cancel()

    await asyncio.wait_for(cancelled.wait(), 5)
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_an_upload_without_a_token_is_refused(serve: Serve) -> None:
    async def upload() -> AsyncIterator[pb.UpscaleRequest]:
        for _ in range(2000):
            yield chunk()

    images = await serve(Upscale=raising(AssertionError("this is never called")))

    with pytest.raises(errors.Unauthenticated):
        await images.without_token().Upscale(upload())
