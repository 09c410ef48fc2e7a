"""Paths, methods and route patterns, as limits, logs and metrics need them."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import Scope

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


def is_api_path(path: str) -> bool:
    """True for all paths below /api. Only these have hourly limits."""
    return path == "/api" or path.startswith("/api/")


def has_quota_headers(path: str) -> bool:
    """True for the paths whose answers have the headers of the monthly quota."""
    return path.startswith(("/api/images", "/api/batches"))


def pattern_of(scope: Scope) -> str:
    """Return the route's pattern, such as `/api/images/{image_id}`. Paths themselves can hold secrets."""
    return getattr(scope.get("route"), "path", "none")


def allowed_methods(app: Starlette, request: Request) -> list[str]:
    """Return every method that some route answers at this path."""

    def is_allowed(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in app.routes)

    return [method for method in METHODS if is_allowed(method)]
