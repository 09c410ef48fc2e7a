"""The server side of gRPC between services. `common.channel` is the client side.

An interceptor checks who may call, turns `ServiceError` into a gRPC status, and measures each call. A method
whose callers are not listed refuses every caller.
"""

import asyncio
import contextlib
import functools
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from opentelemetry.trace import Span, SpanKind

from common import errors, log, metrics, trace
from common.identity import Principal, Verifier
from common.renewed_channel import CONNECT_OPTIONS
from common.rpc_failures import to_service_error
from common.shares import Shares
from common.tls import Tls
from loupe import refusals
from loupe.contract import ADMIN, OPERATOR

Context = ServicerContext[Any, Any]
TOKEN_KEY = "authorization"  # noqa: S105  the name of a header
DRAIN_SECONDS = 20.0
PLACE_SECONDS = 3.0
"""How long a call waits for others of its user. It is less than the deadline that callers set."""

OPTIONS = [
    # a list of 100 batches with 20 images each takes 11 MiB if all names have the maximum length
    ("grpc.max_receive_message_length", 32 << 20),
    ("grpc.max_send_message_length", 32 << 20),
    # a refusal that names 100 fields has 20 KB of details; beyond its limit, gRPC replaces the status
    ("grpc.max_metadata_size", 64 << 10),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
]
CLIENT_OPTIONS = [
    *OPTIONS,
    ("grpc.enable_http_proxy", 0),  # services are in the same network
    *CONNECT_OPTIONS,
]
SERVER_OPTIONS = [
    *OPTIONS,
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Clients also connect to new replicas. They leave a pod that is about to end while it still serves, as
    # gRPC cancels calls that reach a server after it was told to stop: the chart's `preStopSeconds` are more.
    ("grpc.max_connection_age_ms", 25_000),
    ("grpc.max_connection_age_grace_ms", 3_900_000),  # enough for the longest upload
]

SERVER_FAULTS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
"""Codes that mark the server's span as failed. Any other code is a refusal, not a fault."""

_principal: ContextVar[Principal] = ContextVar("principal")
NOBODY = Principal()


@dataclass(frozen=True, slots=True)
class Callers:
    """Who may call a method: users with an ability, services by name, or everyone."""

    ability: str | None = None
    """None admits no user, an empty string every user."""
    services: frozenset[str] = frozenset()
    is_open: bool = False
    """True admits every caller, also without a token."""
    role: str = ""
    """The role that a user needs beside the ability; empty: none."""

    def require(self, principal: Principal) -> None:
        """Raise `PermissionDenied` if the principal may not call the method."""
        if principal.service:
            if principal.service not in self.services:
                raise errors.PermissionDenied(
                    f"the service {principal.service} may not call this method", reason="caller_refused"
                )
        elif self.ability is None or (self.role and self.role != principal.role):
            raise errors.PermissionDenied("users may not call this method", reason="caller_refused")
        elif self.ability and self.ability not in principal.abilities:
            raise errors.refused(refusals.MISSING_ABILITY, ability=self.ability)


EVERYONE = Callers(is_open=True)
ANY_USER = Callers(ability="")
OPERATORS = Callers(ability=ADMIN, services=frozenset({"operator"}), role=OPERATOR)
"""`loupe-admin`, and operators in a session of the console."""


def users(ability: str) -> Callers:
    """Admit users whose token has this ability."""
    return Callers(ability=ability)


def services(*names: str) -> Callers:
    """Admit these services."""
    return Callers(services=frozenset(names))


def principal() -> Principal:
    """Return the caller of the gRPC method that is running in this task."""
    return _principal.get()


def principal_or_nobody() -> Principal:
    """Return the caller of the running gRPC method, or `NOBODY` outside of one."""
    return _principal.get(NOBODY)


def metadata(context: Context) -> dict[str, str]:
    """Return the texts that the caller sent beside the request."""
    return _texts(context.invocation_metadata() or ())


def _texts(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    return {key: value for key, value in metadata if isinstance(value, str)}


class _Interceptor(grpc.aio.ServerInterceptor):
    def __init__(self, verifier: Verifier, callers: Mapping[str, Callers], shares: Shares) -> None:
        self._verifier = verifier
        self._callers = callers
        self._shares = shares

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith("/grpc.health.v1."):
            return handler
        if handler.request_streaming and handler.response_streaming:
            raise TypeError(f"{method} streams both ways, which this interceptor does not support")
        metadata = _texts(handler_call_details.invocation_metadata)
        parse = _parse_all if handler.request_streaming else _parse
        read_request = functools.partial(parse, handler.request_deserializer)
        wrap, wrap_method = grpc.unary_unary_rpc_method_handler, self._wrap
        if handler.request_streaming:
            wrap = grpc.stream_unary_rpc_method_handler
        elif handler.response_streaming:
            wrap, wrap_method = grpc.unary_stream_rpc_method_handler, self._wrap_stream
        servicer_method = handler.unary_unary or handler.stream_unary or handler.unary_stream
        answer = wrap_method(servicer_method, read_request, method, metadata)
        return wrap(answer, None, handler.response_serializer)  # None: `answer` gets bytes, and parses them

    def _wrap(
        self,
        servicer_method: Callable[..., Awaitable[Any]],
        read_request: Callable[[Any], Any],
        method: str,
        metadata: dict[str, str],
    ) -> Callable[..., Awaitable[Any]]:
        async def answer(request: Any, context: Context) -> Any:
            async with self._call(method, metadata, context):
                return await servicer_method(read_request(request), context)

        return answer

    def _wrap_stream(
        self,
        servicer_method: Callable[..., AsyncGenerator[Any]],
        read_request: Callable[[Any], Any],
        method: str,
        metadata: dict[str, str],
    ) -> Callable[..., Awaitable[None]]:
        async def answer(request: Any, context: Context) -> None:
            async with (
                self._call(method, metadata, context),
                contextlib.aclosing(servicer_method(read_request(request), context)) as messages,
            ):
                async for message in messages:
                    await context.write(message)

        return answer

    @contextlib.asynccontextmanager
    async def _call(self, method: str, metadata: dict[str, str], context: Context) -> AsyncGenerator[None]:
        """Authorize, trace and measure the call in the block. Abort it with a status if the block raises."""
        request_id = metadata.get(trace.REQUEST_ID_KEY, "")
        trace.request_id.set(request_id)
        trace.client_address.set(metadata.get(trace.CLIENT_ADDRESS_KEY, ""))
        trace.user_agent.set(metadata.get(trace.USER_AGENT_KEY, ""))
        started, code = time.perf_counter(), "OK"
        try:
            with (
                log.bound(request_id=request_id),
                trace.span(method[1:], SpanKind.SERVER, span_attributes(method), carrier=metadata) as span,
            ):
                try:
                    principal = await self._authorize(method, metadata)
                    _principal.set(principal)
                    user = str(principal.user_id or "")
                    async with self._shares.place_or_refusal(user, PLACE_SECONDS):
                        yield
                    return  # noqa: TRY300  an `else` would nest what follows
                except Exception as error:  # noqa: BLE001  every error becomes a status
                    failure = to_service_error(error, method)
                    code = failure.code.name
                    _record_failure(span, method, failure, error)
            details = ((errors.DETAILS_KEY, errors.to_details(failure)),)
            await context.abort(failure.code, failure.message, details)
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        finally:
            metrics.rpc_seconds.labels(method, code).observe(time.perf_counter() - started)

    async def _authorize(self, method: str, metadata: dict[str, str]) -> Principal:
        callers = self._callers.get(method.rpartition("/")[2], Callers())
        if callers.is_open:
            return Principal()
        principal = await self._verifier.verify(metadata.get(TOKEN_KEY, ""))
        callers.require(principal)
        is_operator = bool(callers.role) and not principal.service
        return replace(principal, acts_as_operator=True) if is_operator else principal


def _parse(deserialize: Callable[[bytes], Any], message: bytes) -> Any:
    """Return the request. Bytes that are none raise `InvalidArgument`. gRPC itself would answer INTERNAL."""
    try:
        return deserialize(message)
    except DecodeError as error:
        raise errors.InvalidArgument("the request is no valid message", reason="malformed_message") from error


async def _parse_all(
    deserialize: Callable[[bytes], Any], messages: AsyncIterator[bytes]
) -> AsyncGenerator[Any]:
    async for message in messages:
        yield _parse(deserialize, message)


@functools.cache
def span_attributes(method: str) -> trace.Attributes:
    """Return the attributes that describe a call, for the spans of both sides."""
    return {"rpc.system.name": "grpc", "rpc.method": method[1:]}


def _record_failure(span: Span, method: str, failure: errors.ServiceError, error: Exception) -> None:
    metrics.refusals.labels(method, failure.reason).inc()
    span.set_attribute("rpc.response.status_code", failure.code.name)
    if failure.code in SERVER_FAULTS:
        trace.fail(span, failure.reason, error)


class Server:
    """A `grpc.aio` server with the interceptor and the health service. Register servicers on `grpc`."""

    def __init__(
        self, verifier: Verifier, callers: Mapping[str, Callers], *, calls_per_user: int = sys.maxsize
    ) -> None:
        """`calls_per_user` is how many calls of one user are served at a time. Further ones wait before they
        take a connection to the database, so that calls of others find one.
        """
        interceptor = _Interceptor(verifier, callers, Shares(calls_per_user))
        self.grpc = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
        self._health = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]  not in the stubs
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)

    def bind(self, listen: str, tls: Tls | None = None) -> int:
        """Bind `host:port` and return the port, which the system chooses if it is 0."""
        if tls:
            return self.grpc.add_secure_port(listen, tls.server_credentials())
        return self.grpc.add_insecure_port(listen)

    async def serve(self) -> None:
        """Serve until cancelled. Calls in progress may then finish."""
        await self.grpc.start()
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        try:
            # Without the shield, cancelling this task would cancel the future that stop() waits for, and no
            # call would be drained.
            await asyncio.shield(self.grpc.wait_for_termination())
        finally:
            await self._health.enter_graceful_shutdown()
            await self.grpc.stop(DRAIN_SECONDS)
