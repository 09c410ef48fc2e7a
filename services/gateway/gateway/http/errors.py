"""The HTTP status of every error, and the refusals that only the HTTP layer raises."""

from http import HTTPStatus

from grpc import StatusCode

from common import errors
from loupe import refusals
from loupe.refusals import Refusal

MALFORMED_REQUEST = Refusal(StatusCode.FAILED_PRECONDITION, "malformed_request", "The request is malformed.")
MALFORMED_BODY = Refusal(StatusCode.FAILED_PRECONDITION, "malformed_body", "The request body is malformed.")
BODY_TOO_LARGE = Refusal(
    StatusCode.FAILED_PRECONDITION,
    "body_too_large",
    "The request body may not be greater than {limit}.",
    example={"limit": "11 MiB"},
)
UNSUPPORTED_ENCODING = Refusal(
    StatusCode.FAILED_PRECONDITION,
    "unsupported_encoding",
    "The request body may not have the Content-Encoding {encoding}: send it as it is.",
    example={"encoding": "gzip"},
)
TARGET_TOO_LONG = Refusal(
    StatusCode.FAILED_PRECONDITION, "target_too_long", "The request target is too long."
)
HEADERS_TOO_LARGE = Refusal(
    StatusCode.FAILED_PRECONDITION, "headers_too_large", "The request headers are too large."
)
REQUEST_TIMEOUT = Refusal(
    StatusCode.FAILED_PRECONDITION,
    "request_timeout",
    "The request {part} did not arrive in time.",
    example={"part": "body"},
)
NOT_FOUND = Refusal(StatusCode.NOT_FOUND, "not_found", "Not found.")
METHOD_NOT_ALLOWED = Refusal(StatusCode.UNIMPLEMENTED, "method_not_allowed", "Method not allowed.")

STATUS_OF_KIND = {
    StatusCode.INVALID_ARGUMENT: HTTPStatus.UNPROCESSABLE_ENTITY,
    StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}
STATUS_OF_CODE = {
    METHOD_NOT_ALLOWED.code: HTTPStatus.METHOD_NOT_ALLOWED,
    BODY_TOO_LARGE.code: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UNSUPPORTED_ENCODING.code: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TARGET_TOO_LONG.code: HTTPStatus.REQUEST_URI_TOO_LONG,
    HEADERS_TOO_LARGE.code: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    REQUEST_TIMEOUT.code: HTTPStatus.REQUEST_TIMEOUT,
    refusals.RANGE_NOT_SUPPORTED.code: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
}
"""Refusals whose HTTP status has no gRPC code of its own."""


def status_of(kind: StatusCode, code: str) -> HTTPStatus:
    """Return the status for an error of this kind with this code; 500 for every other kind."""
    return STATUS_OF_CODE.get(code) or STATUS_OF_KIND.get(kind, HTTPStatus.INTERNAL_SERVER_ERROR)


def malformed_body(text: str = MALFORMED_BODY.text) -> errors.ServiceError:
    """Return the error for a body that cannot be read. `text` is a more precise message, if there is one."""
    return errors.refused(MALFORMED_BODY._replace(text=text))
