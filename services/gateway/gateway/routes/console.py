"""The web console: one page for all addresses below /console, and the files that it loads."""

from fastapi import APIRouter, Request, Response

from common import errors
from gateway.backend import BackendDep
from gateway.http.errors import NOT_FOUND
from gateway.http.pages import Page

router = APIRouter(include_in_schema=False)
NO_CONSOLE = Page("no_console.html")


@router.get("/console")
@router.get("/console/{path:path}")
async def console(request: Request, backend: BackendDep, path: str = "") -> Response:
    if backend.console is None:
        return NO_CONSOLE.answer(404)
    if not path.startswith("files/"):
        return backend.console.page()
    file = backend.console.file(path, request)
    if file is None:
        raise errors.refused(NOT_FOUND)
    return file
