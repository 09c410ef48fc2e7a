"""The one error that services send to each other, and its conversion to gRPC and back.

Each subclass stands for one gRPC status code. `reason` is the stable name of the cause, for programs. The
message is for a person. `fields` names what is wrong in the request. Details follow google.rpc.Status
(AIP-193).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from loupe import refusals
from loupe.refusals import Refusal

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "loupe"

type_of_code: dict[grpc.StatusCode, type["ServiceError"]] = {}


class ServiceError(Exception):
    """An error that the caller receives as it is. `fields` maps the name of a field to its texts."""

    code: ClassVar[grpc.StatusCode]

    def __init__(
        self, message: str, *, reason: str, fields: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}
        self.retry_after = 0
        """In how many seconds another attempt makes sense. Zero if nobody knows."""

    def __init_subclass__(cls) -> None:
        if "code" in cls.__dict__:  # a service's own subclass has none, and arrives as its parent
            type_of_code[cls.code] = cls


class InvalidArgument(ServiceError):
    code = grpc.StatusCode.INVALID_ARGUMENT


class Unauthenticated(ServiceError):
    code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(ServiceError):
    code = grpc.StatusCode.PERMISSION_DENIED


class NotFound(ServiceError):
    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(ServiceError):
    code = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(ServiceError):
    code = grpc.StatusCode.FAILED_PRECONDITION


class ResourceExhausted(ServiceError):
    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(ServiceError):
    code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceeded(ServiceError):
    code = grpc.StatusCode.DEADLINE_EXCEEDED


class Internal(ServiceError):
    code = grpc.StatusCode.INTERNAL


def refused(refusal: Refusal, **values: str) -> ServiceError:
    """Return the error for a refusal of the REST contract. `values` fill the placeholders in its text."""
    message = refusal.text.format(**values)
    return type_of_code[refusal.kind](message, reason=refusal.code, fields=refusal.fields)


def choice_text(field: str, choices: Iterable[str]) -> str:
    """Return the text for a value that is none of the choices."""
    return f"The {field.replace('_', ' ')} must be one of: {', '.join(choices)}."


def invalid(fields: Mapping[str, Sequence[str]]) -> InvalidArgument:
    """Return the error for invalid input: `fields` maps the name of each field to its texts."""
    refusal = refusals.VALIDATION_FAILED
    return InvalidArgument(refusal.text, reason=refusal.code, fields=fields)


def to_details(error: ServiceError) -> bytes:
    """Return the error as a serialized google.rpc.Status, for the trailing metadata."""
    status = Status(code=error.code.value[0], message=error.message)
    status.details.append(_pack(ErrorInfo(reason=error.reason, domain=DOMAIN)))
    if error.fields:
        violations = [
            BadRequest.FieldViolation(field=name, description=text)
            for name, texts in error.fields.items()
            for text in texts
        ]
        status.details.append(_pack(BadRequest(field_violations=violations)))
    if error.retry_after:
        retry = RetryInfo()
        retry.retry_delay.seconds = error.retry_after
        status.details.append(_pack(retry))
    return status.SerializeToString()


def from_rpc(error: grpc.aio.AioRpcError) -> ServiceError:
    """Return the error that the other service raised.

    If the call itself failed, return `Unavailable`, `DeadlineExceeded` or `Internal`.
    """
    details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
    if not isinstance(details, bytes):
        return _transport_error(error)
    kind = type_of_code.get(error.code(), Internal)
    status = Status.FromString(details)
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in status.details:
        _ = detail.Unpack(info) or detail.Unpack(bad) or detail.Unpack(retry)
    fields: dict[str, list[str]] = {}
    for violation in bad.field_violations:
        fields.setdefault(violation.field, []).append(violation.description)
    received = kind(status.message, reason=info.reason, fields=fields)
    received.retry_after = retry.retry_delay.seconds
    return received


def _transport_error(error: grpc.aio.AioRpcError) -> ServiceError:
    """Return the error for a call that failed on the way. gRPC's own text names addresses that clients must
    not see.
    """
    match error.code():
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:  # CANCELLED: the server is stopping
            return refused(refusals.SERVICE_UNAVAILABLE)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return refused(refusals.DEADLINE_EXCEEDED)
        case code:
            return Internal(f"{code.name}: {error.details()}", reason="internal_error")


def _pack(detail: ErrorInfo | BadRequest | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
