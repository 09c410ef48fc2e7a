"""The client's edge of gRPC: a channel whose stubs have a deadline, bring a token and raise `ServiceError`.

It stands in for `grpc.aio.Channel` below the generated stubs instead of interceptors, which cost a task a
call. Retries follow the .proto: only methods marked with an `idempotency_level` are tried again, and only
when unavailable.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from opentelemetry.trace import SpanKind

from common import errors, metrics, trace
from common.rpc import CLIENT_OPTIONS, TOKEN_KEY, described
from common.tls import Tls

Call = grpc.aio.StreamUnaryCall[Any, Any]
Ending = tuple[grpc.StatusCode, grpc.aio.Metadata | None, str | None]
Metadata = Sequence[tuple[str, str]]
TokenSource = Callable[[], Awaitable[str]]
DEADLINE_SECONDS = 5.0
STREAM_DEADLINE_SECONDS = 600.0
"""Ten megabytes over a slow line."""
STATUS_SECONDS = 1.0
RETRY = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


class Channel:
    """To one service. `target` is a gRPC name such as `dns:///images:9000`; headless names are balanced over.

    A generated stub takes `.grpc`; it only ever asks that for `unary_unary` and `stream_unary`. A call can
    also send `metadata`, in which the gateway passes the token of a user.
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
        if tls:
            self._channel = grpc.aio.secure_channel(target, tls.of_client(), options)
        else:
            self._channel = grpc.aio.insecure_channel(target, options)
        self._token = token
        self.grpc = cast("grpc.aio.Channel", self)

    def unary_unary(self, name: str, *args: Any, **kwargs: Any) -> Any:
        method = self._channel.unary_unary(name, *args, **kwargs)

        async def call(
            request: Any,
            *,
            timeout: float = DEADLINE_SECONDS,  # noqa: ASYNC109
            metadata: Metadata = (),
        ) -> Any:
            with _called(name):
                return await method(request, timeout=timeout, metadata=await self._metadata(metadata))

        return call

    def stream_unary(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """What the caller's iterator raises cancels the call and comes out of it as it is."""
        method = self._channel.stream_unary(name, *args, **kwargs)

        async def call(
            requests: AsyncIterable[Any],
            *,
            timeout: float = STREAM_DEADLINE_SECONDS,  # noqa: ASYNC109
            metadata: Metadata = (),
        ) -> Any:
            with _called(name):
                started = method(timeout=timeout, metadata=await self._metadata(metadata))
                try:
                    return await _streamed(started, requests)
                finally:
                    started.cancel()

        return call

    async def _metadata(self, own: Metadata) -> list[tuple[str, str]]:
        metadata = [*trace.outgoing(), *own]
        if self._token:
            metadata.append((TOKEN_KEY, await self._token()))
        return metadata

    async def ready(self) -> None:
        """Waits until the other side can be reached."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._channel.channel_ready()

    def is_connected(self) -> bool:
        state = self._channel.get_state(try_to_connect=True)
        return state in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.IDLE)

    async def close(self, grace: float | None = None) -> None:
        await self._channel.close(grace)


@contextlib.contextmanager
def _called(method: str) -> Generator[None]:
    """Measures a call, and raises what the other side has raised."""
    started, code = time.perf_counter(), "CANCELLED"
    try:
        with trace.span(method[1:], SpanKind.CLIENT, described(method)) as span:
            try:
                yield
            except grpc.aio.AioRpcError as error:
                code = error.code().name
                span.set_attribute("rpc.response.status_code", code)
                raise errors.from_rpc(error) from error
        code = "OK"
    finally:
        metrics.rpc_client_seconds.labels(method, code).observe(time.perf_counter() - started)


async def _streamed(started: Call, requests: AsyncIterable[Any]) -> Any:
    first: list[Ending] = []
    started.add_done_callback(lambda ended: first.append(_ending(ended)))
    try:
        async for request in requests:
            try:
                await started.write(request)
            except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
                break  # answered before all was sent
        else:
            await started.done_writing()
        return await started
    except grpc.aio.AioRpcError as error:
        raise await _servers_own(started, first) from error


async def _servers_own(call: Call, first: list[Ending]) -> grpc.aio.AioRpcError:
    """A write on a call that the server has ended makes grpc.aio put an INTERNAL of its own in the place of
    the server's status, a moment before that arrives or after it.
    """
    ending = first[0] if first else _ending(call)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STATUS_SECONDS):
            while ending[0] is grpc.StatusCode.INTERNAL and not ending[1]:
                await asyncio.sleep(0.001)
                ending = _ending(call)
    code, trailing, details = ending
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing or grpc.aio.Metadata(), details)


def _ending(call: Call) -> Ending:
    return _at_once(call.code()), _at_once(call.trailing_metadata()), _at_once(call.details())


def _at_once(answer: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that has nothing to wait for."""
    try:
        answer.send(None)
    except StopIteration as returned:
        return returned.value
    raise RuntimeError("it waits")


def _service_config(service: ServiceDescriptor) -> dict[str, Any]:
    idempotent = [
        {"service": service.full_name, "method": method.name}
        for method in service.methods
        if method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
    ]
    retried = [{"name": idempotent, "retryPolicy": RETRY}] if idempotent else []
    return {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": retried}
