"""The routes of operators, for sessions of the console. `loupe-admin` does the same from a terminal.

These routes have a description of their own, because no API token may call them.
"""

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from gateway.routes.admin import (
    access,
    audit,
    dead_letters,
    first_run,
    plans,
    queue,
    settings,
    storage,
    users,
    webhooks,
)

PREFIX = "/api/admin"
DOCUMENT = "/openapi-admin.json"
router = APIRouter()
for module in (access, first_run, users, plans, queue, dead_letters, storage, webhooks, settings, audit):
    router.include_router(module.router, prefix=PREFIX, tags=["operators"])


def install(app: FastAPI) -> None:
    """Serve the description of these routes."""

    @app.get(DOCUMENT, include_in_schema=False)
    async def describe() -> JSONResponse:
        return JSONResponse(document(app))


def document(app: FastAPI) -> dict[str, object]:
    return get_openapi(title="Loupe for operators", version=app.version, routes=router.routes)
