"""The middleware around all routes: request ids, headers of every answer, CORS, HEAD, traces and metrics."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from fastapi.responses import JSONResponse
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Gauge, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import log, trace
from common.metrics import SECONDS_BUCKETS
from gateway.http import request_ids
from gateway.http.routing import METHODS, is_api_path, pattern_of

CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Allow, Content-Disposition, Idempotency-Replayed, Preference-Applied, "
    "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-RateLimit-Limit, X-RateLimit-Remaining, "
    "X-Request-Id",
}
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "DELETE, GET, HEAD, PATCH, POST, PUT",
    "Access-Control-Max-Age": "7200",
    "Vary": "Access-Control-Request-Headers",
}

LONGEST_USER_AGENT = 255
"""The most characters of the User-Agent that go to services."""
METHOD_LABELS = {*METHODS, "OPTIONS"}
"""Other methods share the label `other`, so that clients cannot create any number of time series."""

SAFE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of every answer that does not set them itself: nothing is stored, and no type is guessed."""


@dataclass(frozen=True, slots=True)
class HourlyLimits:
    """The two functions by which `Edge` reads and corrects the hourly limits. Both return their headers."""

    read: Callable[[Request], Awaitable[dict[str, str]]]
    """For a request that failed before it was counted."""
    uncount: Callable[[Request], Awaitable[dict[str, str]]]
    """For a request that we could not serve for a reason of ours. It is taken out of the count first."""


ClientAddress = Callable[[Request], str]

in_flight = Gauge("loupe_http_requests_in_flight", "Requests being answered")
http_seconds = Histogram(
    "loupe_http_seconds", "Requests answered", ["method", "route", "status"], buckets=SECONDS_BUCKETS
)


class Edge:
    """Adds the headers that routes and checks have put into `request.state.headers`.

    `client_address` returns the client's address, which services log and count by.
    """

    def __init__(self, app: ASGIApp, limits: HourlyLimits, client_address: ClientAddress) -> None:
        self._app = app
        self._limits = limits
        self._client_address = client_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_headers = dict(scope["headers"])
        request_id = request_ids.request_id_of(request_headers)
        state = scope.setdefault("state", {})
        state["request_id"], state["headers"] = request_id, {"X-Request-Id": request_id}
        state["is_head"] = scope["method"] == "HEAD"  # routes see GET
        trace.request_id.set(request_id)
        trace.client_address.set(self._client_address(Request(scope)))
        trace.user_agent.set(_user_agent_of(request_headers))
        if b"origin" in request_headers and _allows_other_origins(scope["path"]):
            state["headers"].update(CORS_HEADERS)
        method, started_at = scope["method"], time.perf_counter()
        exchange = _Exchange(scope, receive, send, self._limits)
        is_preflight = _is_preflight(method, request_headers) and _allows_other_origins(scope["path"])
        app = _answer_preflight if is_preflight else self._app
        inner_scope = scope if method != "HEAD" else {**scope, "method": "GET"}
        parent = request_headers.get(b"traceparent", b"").decode("latin-1")
        carrier = {"traceparent": parent} if parent else {}
        log.bind(request_id=request_id)  # stays within this request: each runs in its own task
        in_flight.inc()
        try:
            with trace.span(f"HTTP {method}", SpanKind.SERVER, carrier=carrier) as span:
                try:
                    await app(inner_scope, exchange.receive, exchange.send)
                finally:
                    if trace.is_on:
                        _describe_span(span, method, pattern_of(inner_scope), exchange.status)
        finally:
            in_flight.dec()
            http_seconds.labels(
                method if method in METHOD_LABELS else "other", pattern_of(inner_scope), exchange.status
            ).observe(time.perf_counter() - started_at)


class _Exchange:
    """The `receive` and `send` of one request, as the application calls them."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: HourlyLimits) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limits = limits
        self._has_ended = False
        self.status = 0

    async def receive(self) -> Message:
        """Return the next message. Raise the error with which `Protocol` refused the rest of the body."""
        message = await self._receive()
        failure = self._scope["state"].get("body_failure")
        if failure is None:
            return message
        if self.status:
            return {"type": "http.disconnect"}
        raise failure

    async def send(self, message: Message) -> None:
        if self._has_ended:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._add_headers(message)
        await self._send(message)
        if self._scope["method"] == "HEAD":  # end the answer here, because a stream might never end
            self._has_ended = True
            await self._send({"type": "http.response.body"})

    async def _add_headers(self, message: Message) -> None:
        state, method = self._scope["state"], self._scope["method"]
        headers: dict[str, str] = state["headers"]
        if "body_has_ended" not in state:  # the rest of the body will not be read
            headers["Connection"] = "close"
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            headers.update(await self._limits.uncount(Request(self._scope)))
        if "RateLimit" not in headers and is_api_path(self._scope["path"]) and method != "OPTIONS":
            headers.update(await self._limits.read(Request(self._scope)))
        sent = {name.lower() for name, _ in message["headers"]}
        headers.update(
            {name: value for name, value in SAFE_HEADERS.items() if name.lower().encode() not in sent}
        )
        message["headers"].extend(
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        )


def _describe_span(span: Span, method: str, route: str, status: int) -> None:
    """Set the attributes of the span. The path itself is left out, because it can hold secrets."""
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {"http.request.method": method, "http.route": route, "http.response.status_code": status}
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        trace.fail(span, str(status))


def _user_agent_of(request_headers: dict[bytes, bytes]) -> str:
    """Return what the client says that it is, as headers between services may hold it."""
    text = request_headers.get(b"user-agent", b"").decode("latin-1")[:LONGEST_USER_AGENT]
    return "".join(character if " " <= character <= "~" else "?" for character in text).strip()


def _allows_other_origins(path: str) -> bool:
    return is_api_path(path) or path == "/openapi.json"


def _is_preflight(method: str, request_headers: dict[bytes, bytes]) -> bool:
    return (
        method == "OPTIONS"
        and b"origin" in request_headers
        and b"access-control-request-method" in request_headers
    )


async def _answer_preflight(scope: Scope, receive: Receive, send: Send) -> None:
    """Allow all requested headers by name, because `*` would not cover Authorization."""
    requested = dict(scope["headers"]).get(b"access-control-request-headers", b"").decode("latin-1")
    headers = PREFLIGHT_HEADERS | ({"Access-Control-Allow-Headers": requested} if requested else {})
    answer = JSONResponse({"success": True, "message": "OK"}, HTTPStatus.OK, headers)
    await answer(scope, receive, send)
