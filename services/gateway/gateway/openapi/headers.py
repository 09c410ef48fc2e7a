"""The headers of answers in the API's description."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from gateway.http.routing import has_quota_headers
from loupe import refusals

Json = dict[str, Any]
HEADERS: Json = {
    "X-Request-Id": {
        "description": "The id of this request in logs and traces: the client's own id, or a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        "example": "5f0c9e6b1d7a4c1e8f3b2a6d9c4e7f10",
    },
    "RateLimit": {
        "description": "Requests left of the hourly limit (`r`), and seconds until the limit resets (`t`).",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[a-z]+";r=[0-9]+;t=[0-9]+$'},
        "example": '"hour";r=499;t=3540',
    },
    "RateLimit-Policy": {
        "description": "The hourly limit: `q` requests in `w` seconds.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[a-z]+";q=[0-9]+;w=[0-9]+$'},
        "example": '"hour";q=500;w=3600',
    },
    "X-RateLimit-Limit": {
        "description": "Your plan's monthly image quota; absent if it is unlimited.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 100,
    },
    "X-RateLimit-Remaining": {
        "description": "Image uploads left this month, after this request; absent if unlimited.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 57,
    },
    "Idempotency-Replayed": {
        "description": "The answer is that to an earlier request with the same key; absent if it is new.",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
    "Preference-Applied": {
        "description": "How long the request waited at most; absent if it was not to wait.",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
        "example": "wait=30",
    },
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 2,
    },
    "RepeatAfter": {
        "description": "Seconds to wait before the request is repeated with its key; absent otherwise.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 1,
    },
    "PollAfter": {
        "description": "Seconds after which to look again; absent if the image or batch has ended.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 60},
        "example": 8,
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
        "example": "Bearer",
    },
}
STATUSES_WITH_RETRY_AFTER = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def headers_of_answer(path: str) -> Json:
    """Return the headers of every answer at this path that is not a failure of the server."""
    names = ["X-Request-Id", "RateLimit-Policy", "RateLimit"]
    if has_quota_headers(path):
        names += ["X-RateLimit-Limit", "X-RateLimit-Remaining"]
    return _references(*names)


def headers_of_repeat() -> Json:
    """Return the header of answers to requests that may repeat an earlier one."""
    return _references("Idempotency-Replayed")


def headers_of_wait() -> Json:
    """Return the headers of answers to requests that may wait for an end."""
    return _references("Preference-Applied") | {"Retry-After": {"$ref": "#/components/headers/PollAfter"}}


def headers_of_refusal(status: HTTPStatus, path: str, codes: Collection[str]) -> Json:
    """Return the headers of a refusal with one of these codes.

    A failure of the server may come before the request is counted, so it promises no limits.
    """
    is_failure = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    headers = _references("X-Request-Id") if is_failure else headers_of_answer(path)
    if status == HTTPStatus.UNAUTHORIZED:
        headers |= _references("WWW-Authenticate")
    if status in STATUSES_WITH_RETRY_AFTER:
        headers |= _references("Retry-After")
    if refusals.IDEMPOTENCY_KEY_IN_USE.code in codes:  # others with this status have no time
        headers |= {"Retry-After": {"$ref": "#/components/headers/RepeatAfter"}}
    return headers


def _references(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
