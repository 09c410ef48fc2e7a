"""The one error that crosses boundaries, and its way over gRPC and back.

A subclass is a kind (a gRPC status code), `reason` is the machine's name for the cause, the message is for a
person, and `fields` names what in the request is at fault. Codes and details follow google.rpc.Status
(AIP-193).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from loupe import refusals
from loupe.refusals import Refusal

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "loupe"

type_of_code: dict[grpc.StatusCode, type["ServiceError"]] = {}


class ServiceError(Exception):
    """Anything a caller must be told. `fields` maps a field's name to its texts."""

    code: ClassVar[grpc.StatusCode]

    def __init__(
        self, message: str, *, reason: str, fields: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}

    def __init_subclass__(cls) -> None:
        if "code" in cls.__dict__:  # a service's own kinds cross as what they are kinds of
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


def invalid(fields: Mapping[str, Sequence[str]]) -> InvalidArgument:
    """Return the error for invalid input: `fields` maps the name of each field to its texts."""
    refusal = refusals.VALIDATION_FAILED
    return InvalidArgument(refusal.text, reason=refusal.code, fields=fields)


def to_details(error: ServiceError) -> bytes:
    """The error as a serialized google.rpc.Status, for the trailing metadata."""
    status = Status(code=error.code.value[0], message=error.message)
    status.details.append(_packed(ErrorInfo(reason=error.reason, domain=DOMAIN)))
    if error.fields:
        violations = [
            BadRequest.FieldViolation(field=name, description=text)
            for name, texts in error.fields.items()
            for text in texts
        ]
        status.details.append(_packed(BadRequest(field_violations=violations)))
    return status.SerializeToString()


def from_rpc(error: grpc.aio.AioRpcError) -> ServiceError:
    """The error that the other side raised; a failure of the way itself becomes `Unavailable` or
    `DeadlineExceeded`.
    """
    details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
    if not isinstance(details, bytes):
        return _of_the_way(error)
    kind = type_of_code.get(error.code(), Internal)
    status = Status.FromString(details)
    info, bad = ErrorInfo(), BadRequest()
    for detail in status.details:
        _ = detail.Unpack(info) or detail.Unpack(bad)
    fields: dict[str, list[str]] = {}
    for violation in bad.field_violations:
        fields.setdefault(violation.field, []).append(violation.description)
    return kind(status.message, reason=info.reason, fields=fields)


def _of_the_way(error: grpc.aio.AioRpcError) -> ServiceError:
    """No service of ours has raised this; its words name addresses that are nobody's business."""
    match error.code():
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:  # cancelled by a server that stops
            return refused(refusals.SERVICE_UNAVAILABLE)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return refused(refusals.DEADLINE_EXCEEDED)
        case code:
            return Internal(f"{code.name}: {error.details()}", reason="internal_error")


def _packed(detail: ErrorInfo | BadRequest) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
