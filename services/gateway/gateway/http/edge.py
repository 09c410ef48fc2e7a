"""Around all routes: request ids, the headers of every answer, other origins, HEAD, logs and metrics."""

import time
from http import HTTPStatus

from fastapi.responses import JSONResponse
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Gauge, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import log, trace
from common.metrics import SECONDS_BUCKETS
from gateway.http import error_answers, request_ids
from gateway.identity import access

READABLE = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Allow, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, "
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-Request-Id",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "DELETE, GET, HEAD, PATCH, POST, PUT",
    "Access-Control-Max-Age": "7200",
    "Vary": "Access-Control-Request-Headers",
}

METHODS = {*error_answers.METHODS, "OPTIONS"}
"""A label's values are ours: others would be as many as strangers like."""

in_flight = Gauge("loupe_http_requests_in_flight", "Requests being answered")
http_seconds = Histogram(
    "loupe_http_seconds", "Requests answered", ["method", "route", "status"], buckets=SECONDS_BUCKETS
)


class Edge:
    """Adds the headers that routes leave in `request.state.headers`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"])
        request_id = request_ids.of(given)
        state = scope.setdefault("state", {})
        state["request_id"], state["headers"] = request_id, {"X-Request-Id": request_id}
        trace.request_id.set(request_id)
        if b"origin" in given and _is_open(scope["path"]):
            state["headers"].update(READABLE)
        method, started = scope["method"], time.perf_counter()
        exchange = _Exchange(scope, receive, send)
        app = _preflight if _is_preflight(method, given) and _is_open(scope["path"]) else self._app
        inner = scope if method != "HEAD" else {**scope, "method": "GET"}
        carrier = {"traceparent": given[b"traceparent"].decode("latin-1")} if b"traceparent" in given else {}
        log.bind(request_id=request_id)  # each request is a task of its own
        in_flight.inc()
        try:
            with trace.span(f"HTTP {method}", SpanKind.SERVER, carrier=carrier) as span:
                try:
                    await app(inner, exchange.receive, exchange.send)
                finally:
                    if trace.is_on:
                        _tell(span, method, error_answers.route_of(inner), exchange.status)
        finally:
            in_flight.dec()
            http_seconds.labels(
                method if method in METHODS else "other", error_answers.route_of(inner), exchange.status
            ).observe(time.perf_counter() - started)


class _Exchange:
    """One request and its answer, as the application sees them."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_over = False
        self.status = 0

    async def receive(self) -> Message:
        message = await self._receive()
        failure = self._scope["state"].get("body_failure")
        if failure is None:
            return message
        if self.status:
            return {"type": "http.disconnect"}
        raise failure

    async def send(self, message: Message) -> None:
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._complete(message)
        await self._send(message)
        if self._scope["method"] == "HEAD":  # here and now, since a stream would never end
            self._is_over = True
            await self._send({"type": "http.response.body"})

    async def _complete(self, message: Message) -> None:
        state, method = self._scope["state"], self._scope["method"]
        headers: dict[str, str] = state["headers"]
        if "body_has_ended" not in state:  # the rest of it is not waited for
            headers["Connection"] = "close"
        if "RateLimit" not in headers and access.is_limited(self._scope["path"]) and method != "OPTIONS":
            headers.update(await access.told(Request(self._scope)))
        message["headers"].extend(
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        )


def _tell(span: Span, method: str, route: str, status: int) -> None:
    """Nothing of the path itself: it can hold what is secret."""
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {"http.request.method": method, "http.route": route, "http.response.status_code": status}
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        trace.fail(span, str(status))


def _is_open(path: str) -> bool:
    """Whether pages of other origins may read it."""
    return access.is_limited(path) or path == "/openapi.json"


def _is_preflight(method: str, given: dict[bytes, bytes]) -> bool:
    return method == "OPTIONS" and b"origin" in given and b"access-control-request-method" in given


async def _preflight(scope: Scope, receive: Receive, send: Send) -> None:
    """Says yes to all headers by name: `*` would leave out Authorization."""
    asked = dict(scope["headers"]).get(b"access-control-request-headers", b"").decode("latin-1")
    headers = PREFLIGHT | ({"Access-Control-Allow-Headers": asked} if asked else {})
    answer = JSONResponse({"success": True, "message": "OK"}, HTTPStatus.OK, headers)
    await answer(scope, receive, send)
