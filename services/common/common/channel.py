"""The client side of gRPC: each call gets a deadline, a token and the trace, and raises `ServiceError`.

`Channel` replaces `grpc.aio.Channel` below the generated stubs. Interceptors could do the same, but would
cost one more task for each call. Retries follow the .proto: only methods with an `idempotency_level` are
tried again, and only if the service is unavailable or stops.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from opentelemetry.trace import SpanKind

from common import errors, metrics, trace
from common.renewed_channel import RenewedChannel
from common.rpc import CLIENT_OPTIONS, TOKEN_KEY, span_attributes
from common.tls import Tls

Call = grpc.aio.StreamUnaryCall[Any, Any]
CallStatus = tuple[grpc.StatusCode, grpc.aio.Metadata | None, str | None]
Metadata = Sequence[tuple[str, str]]
TokenSource = Callable[[], Awaitable[str]]
DEADLINE_SECONDS = 5.0
STREAM_DEADLINE_SECONDS = 600.0
"""Enough for ten megabytes over a slow line."""
STATUS_WAIT_SECONDS = 1.0
"""How long to wait for the server's status after a call has ended early."""
RETRY = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    # a server that is stopping answers a call that it does not take with CANCELLED (grpc/grpc#41785)
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}


class Channel:
    """A channel to one service. Pass its attribute `grpc` to a generated stub.

    `target` is a gRPC name such as `dns:///images:9000`. If the name has several addresses, calls are
    balanced over them. Calls that stream both ways are not implemented, because our stubs have none. A call
    may add `metadata`: the gateway passes a user's token in it.
    """

    def __init__(
        self,
        target: str,
        service: ServiceDescriptor,
        token: TokenSource | None = None,
        *,
        tls: Tls | None = None,
    ) -> None:
        options = [*CLIENT_OPTIONS, ("grpc.service_config", json.dumps(_service_config(service)))]

        def open_channel() -> grpc.aio.Channel:
            if tls:
                return grpc.aio.secure_channel(target, tls.client_credentials(), options)
            return grpc.aio.insecure_channel(target, options)

        self._channel = RenewedChannel(open_channel)
        self._token = token
        self.grpc = cast("grpc.aio.Channel", self)

    def unary_unary(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Return the function that makes the call and returns the response. It raises `ServiceError`."""
        method = self._channel.unary_unary(name, *args, **kwargs)

        async def call(
            request: Any,
            *,
            timeout: float = DEADLINE_SECONDS,  # noqa: ASYNC109
            metadata: Metadata = (),
        ) -> Any:
            with _measured(name):
                return await method(request, timeout=timeout, metadata=await self._full_metadata(metadata))

        return call

    def stream_unary(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Return the function that sends all requests and returns the response. It raises `ServiceError`.

        An exception from the caller's iterator cancels the call and is raised unchanged.
        """
        method = self._channel.stream_unary(name, *args, **kwargs)

        async def call(
            requests: AsyncIterable[Any],
            *,
            timeout: float = STREAM_DEADLINE_SECONDS,  # noqa: ASYNC109
            metadata: Metadata = (),
        ) -> Any:
            with _measured(name):
                started = method(timeout=timeout, metadata=await self._full_metadata(metadata))
                try:
                    return await _send_all(started, requests)
                finally:
                    started.cancel()

        return call

    def unary_stream(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Return the function that makes the call and yields the responses. It raises `ServiceError`.

        The call ends when its generator is closed.
        """
        method = self._channel.unary_stream(name, *args, **kwargs)

        async def call(
            request: Any,
            *,
            timeout: float = STREAM_DEADLINE_SECONDS,  # noqa: ASYNC109
            metadata: Metadata = (),
        ) -> AsyncGenerator[Any]:
            with _measured(name):
                started = method(request, timeout=timeout, metadata=await self._full_metadata(metadata))
                try:
                    async for response in started:
                        yield response
                finally:
                    started.cancel()

        return call

    async def _full_metadata(self, added: Metadata) -> list[tuple[str, str]]:
        metadata = [*trace.outgoing_headers(), *added]
        if self._token:
            metadata.append((TOKEN_KEY, await self._token()))
        return metadata

    async def ready(self) -> None:
        """Wait until the service can be reached. Raise `TimeoutError` after 5 s."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._channel.channel_ready()

    def is_connected(self) -> bool:
        """Return whether the channel is connected or idle. Start to connect it if it is not."""
        return self._channel.state() in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.IDLE)

    async def close(self, grace: float | None = None) -> None:
        """Close the channel. Calls under way may take `grace` seconds more. Without it they are cancelled."""
        await self._channel.close(grace)


@contextlib.contextmanager
def _measured(method: str) -> Generator[None]:
    """Measure and trace a call, and convert its gRPC error to the `ServiceError` that the service raised."""
    started, code = time.perf_counter(), "CANCELLED"
    try:
        with trace.span(method[1:], SpanKind.CLIENT, span_attributes(method)) as span:
            try:
                yield
            except grpc.aio.AioRpcError as error:
                code = error.code().name
                span.set_attribute("rpc.response.status_code", code)
                raise errors.from_rpc(error) from error
        code = "OK"
    finally:
        metrics.rpc_client_seconds.labels(method, code).observe(time.perf_counter() - started)


async def _send_all(started: Call, requests: AsyncIterable[Any]) -> Any:
    """Send the requests, and return the response. Stop as soon as the server answers early."""
    statuses: list[CallStatus] = []
    started.add_done_callback(lambda ended: statuses.append(_status(ended)))
    try:
        await _write_until_answered(started, requests)
        return await started
    except grpc.aio.AioRpcError as error:
        raise await _error_of_server(started, statuses) from error


async def _write_until_answered(started: Call, requests: AsyncIterable[Any]) -> None:
    """Send the requests. If the server answers meanwhile, stop, also while the next request is awaited."""
    answered = asyncio.timeout(None)

    def stop(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # all requests are sent
            answered.reschedule(0)

    started.add_done_callback(stop)
    try:
        async with answered:
            async for request in requests:
                try:
                    await started.write(request)
                except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
                    return
            await started.done_writing()
    except TimeoutError:
        if not answered.expired():
            raise


async def _error_of_server(call: Call, statuses: list[CallStatus]) -> grpc.aio.AioRpcError:
    """Return the error that the server sent.

    If the client writes to a call that the server has ended, grpc.aio replaces the server's status with an
    INTERNAL of its own, shortly before or after that status arrives. So take the status that the call had
    when it ended. If that is such an INTERNAL, wait for the server's status.
    """
    status = statuses[0] if statuses else _status(call)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STATUS_WAIT_SECONDS):
            while status[0] is grpc.StatusCode.INTERNAL and not status[1]:
                await asyncio.sleep(0.001)
                status = _status(call)
    code, trailing, details = status
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing or grpc.aio.Metadata(), details)


def _status(call: Call) -> CallStatus:
    return _result(call.code()), _result(call.trailing_metadata()), _result(call.details())


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that never suspends, without awaiting it."""
    try:
        coroutine.send(None)
    except StopIteration as returned:
        return returned.value
    raise RuntimeError("the coroutine suspended")


def _service_config(service: ServiceDescriptor) -> dict[str, Any]:
    """Return a gRPC service config: balance calls over all addresses, and retry idempotent methods."""
    idempotent = [
        {"service": service.full_name, "method": method.name}
        for method in service.methods
        if method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
    ]
    retried = [{"name": idempotent, "retryPolicy": RETRY}] if idempotent else []
    return {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": retried}
