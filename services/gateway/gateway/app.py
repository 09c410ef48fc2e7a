"""The ASGI application: routes, and around them one edge for request ids, headers, logs and metrics."""

import random
import re
import time
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import PlainTextResponse
from opentelemetry.trace import SpanKind
from prometheus_client import Histogram
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import log, trace
from common.metrics import SECONDS_BUCKETS, Readiness
from gateway import failures
from gateway.backend import Backend
from gateway.envelope import Problem
from gateway.routes import account, auth, images

SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
EXPOSED = [
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-Request-Id",
]

PUBLIC_PATHS = {
    "/api/auth/register",
    "/api/auth/login",
    "/api/email/verify/{signed}",
    "/api/email/verification-notification",
}

http_seconds = Histogram(
    "loupe_http_seconds", "Requests answered", ["method", "route", "status"], buckets=SECONDS_BUCKETS
)


def create(backend: Backend, readiness: Readiness) -> FastAPI:
    app = FastAPI(
        title="Loupe",
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": {"model": Problem, "description": "What went wrong"}},
    )
    app.state.backend = backend
    failures.install(app)
    for resource in (images, auth, account):  # polls first
        app.include_router(resource.router)
    app.include_router(account.pictures)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> PlainTextResponse:
        missing = readiness.missing()
        text = "\n".join(f"waiting for {need}" for need in missing) or "ok"
        return PlainTextResponse(text, 503 if missing else 200)

    app.openapi = lambda: described(app)
    app.add_middleware(
        Cors, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED
    )
    app.add_middleware(Edge)
    return app


def described(app: FastAPI) -> dict[str, Any]:
    """The API as OpenAPI 3.1, with how to authenticate."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                operation["security"] = [] if path in PUBLIC_PATHS else [{"token": []}]
        app.openapi_schema = schema
    return app.openapi_schema


class Cors(CORSMiddleware):
    """For requests that say where they come from; all others need none of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_origin = any(name == b"origin" for name, _ in scope.get("headers", ()))
        await (super().__call__ if has_origin else self.app)(scope, receive, send)


class Edge:
    """Gives each request an id and adds the headers that routes leave in `request.state.headers`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"])
        sent_id = given.get(b"x-request-id", b"")
        request_id = (
            sent_id.decode() if SANE_REQUEST_ID.fullmatch(sent_id) else f"{random.getrandbits(128):032x}"
        )
        headers: dict[str, str] = {"X-Request-Id": request_id}
        state = scope.setdefault("state", {})
        state["request_id"], state["headers"] = request_id, headers
        trace.request_id.set(request_id)
        started, status = time.perf_counter(), 500
        body_is_read = given.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in given

        async def receive_body() -> Message:
            nonlocal body_is_read
            message = await receive()
            body_is_read = not message.get("more_body", False)
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if not body_is_read:  # the rest of it is not waited for
                    headers["Connection"] = "close"
                message["headers"].extend(
                    (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
                )
            await send(message)

        carrier = {"traceparent": given[b"traceparent"].decode("latin-1")} if b"traceparent" in given else {}
        log.bind(request_id=request_id)  # each request is a task of its own
        with trace.span(f"HTTP {scope['method']}", SpanKind.SERVER, carrier):
            await self._app(scope, receive if body_is_read else receive_body, send_with_headers)
        http_seconds.labels(scope["method"], failures.route_of(scope), status).observe(
            time.perf_counter() - started
        )
