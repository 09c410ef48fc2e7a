"""The ASGI application: all routes, and the middleware around them."""

from importlib import metadata

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from common.metrics import Readiness
from gateway.backend import Backend
from gateway.http import error_answers
from gateway.http.edge import Edge, HourlyLimits
from gateway.http.envelope import Problem
from gateway.http.field_warnings import FieldWarnings
from gateway.identity import access
from gateway.openapi import docs_page, document
from gateway.routes import (
    account,
    admin,
    archives,
    audit,
    auth,
    batches,
    console,
    console_sessions,
    direct_uploads,
    estimate,
    events,
    images,
    models,
    pages,
    plans,
    pyramids,
    retries,
    second_factor,
    tokens,
    usage,
    usage_history,
    webhooks,
)

RESOURCES = (
    images,
    batches,
    direct_uploads,
    archives,
    pyramids,
    retries,
    estimate,
    events,
    auth,
    account,
    usage,
    usage_history,
    audit,
    tokens,
    second_factor,
    models,
    plans,
    webhooks,
    pages,
    console_sessions,
    console,
    admin,
)
"""Modules with a router, the busiest first."""


def create(backend: Backend, readiness: Readiness) -> FastAPI:
    app = FastAPI(
        title="Loupe",
        version=metadata.version("loupe-gateway"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI's own spans would contain paths, which can hold secrets; `Edge` makes spans without them
        telemetry={"tracing": False, "metrics": False, "logs": False},
        responses={"default": {"model": Problem, "description": "What went wrong"}},
    )
    app.state.backend = backend
    error_answers.install(app, count_unrouted=access.limit_by_caller_or_address)
    for resource in RESOURCES:
        app.include_router(resource.router)
    app.include_router(account.photos)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> PlainTextResponse:
        missing = readiness.missing()
        text = "\n".join(f"waiting for {need}" for need in missing) or "ok"
        return PlainTextResponse(text, 503 if missing else 200)

    docs_page.install(app)
    admin.install(app)
    app.openapi = lambda: document.describe_api(app, backend.settings.public_url)
    app.add_middleware(FieldWarnings)
    limits = HourlyLimits(read=access.limit_headers, uncount=access.uncount)
    app.add_middleware(Edge, limits=limits, client_address=access.readable_address)
    return app
