"""Paths, methods and route patterns, as limits, logs and metrics need them."""

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import Scope

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


NOT_UPLOAD, NOT_SECRET = "not_upload", "not_secret"


class NotUpload(StringConvertor):
    """The last part of a path `/api/images/…`, unless it is `upscale`, which only uploads have."""

    regex = "(?!upscale$)[^/]+"


class NotSecret(StringConvertor):
    """The last part of a path `/api/webhooks/…`, unless it is `secret`, which the account has."""

    regex = "(?!secret$)[^/]+"


register_url_convertor(NOT_UPLOAD, NotUpload())
register_url_convertor(NOT_SECRET, NotSecret())


def is_api_path(path: str) -> bool:
    """True for all paths below /api. Only these have hourly limits."""
    return path == "/api" or path.startswith("/api/")


def has_quota_headers(path: str) -> bool:
    """True for the paths whose answers have the headers of the monthly quota."""
    return path.startswith(("/api/images", "/api/batches"))


def pattern_of(scope: Scope) -> str:
    """Return the route's pattern, such as `/api/images/{image_id}`. Paths themselves can hold secrets."""
    route = scope.get("route")
    return getattr(route, "path_format", getattr(route, "path", "none"))


def allowed_methods(app: Starlette, request: Request) -> list[str]:
    """Return every method that some route answers at this path."""

    def is_allowed(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in app.routes)

    return [method for method in METHODS if is_allowed(method)]
