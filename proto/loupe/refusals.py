"""Refusals of the REST contract that several services need: kind, code and text, each written once.

A service raises one with `common.errors.refused(IMAGE_NOT_FOUND)`, and the gateway describes it in /openapi.json.
Clients rely on codes and texts, so never change one.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import grpc


class Refusal(NamedTuple):
    """A refusal. `text` may have placeholders, which `example` fills in the API's description."""

    kind: grpc.StatusCode
    code: str
    text: str
    example: Mapping[str, str] = {}
    fields: Mapping[str, Sequence[str]] = {}
    """The fields at fault, each with its texts."""


UNAUTHENTICATED = Refusal(grpc.StatusCode.UNAUTHENTICATED, "unauthenticated", "Unauthenticated.")
INVALID_CREDENTIALS = Refusal(
    grpc.StatusCode.UNAUTHENTICATED,
    "invalid_credentials",
    "Invalid credentials",
    fields={"email": ("The provided credentials are incorrect.",)},
)

SECOND_FACTOR_REQUIRED = Refusal(
    grpc.StatusCode.UNAUTHENTICATED,
    "second_factor_required",
    "This account needs the code of its second factor.",
    fields={"otp": ("The otp field is required.",)},
)

ACCOUNT_BLOCKED = Refusal(
    grpc.StatusCode.PERMISSION_DENIED,
    "account_blocked",
    "This account is blocked. Ask the operator of this installation.",
)
OPERATOR_SECOND_FACTOR_REQUIRED = Refusal(
    grpc.StatusCode.PERMISSION_DENIED,
    "operator_second_factor_required",
    "Operators of this installation need a second factor. Switch it on, then try again.",
)
FIRST_RUN_REFUSED = Refusal(
    grpc.StatusCode.PERMISSION_DENIED,
    "first_run_refused",
    "The code is wrong, too old or used, or this installation has an operator.",
)
EMAIL_UNVERIFIED = Refusal(
    grpc.StatusCode.PERMISSION_DENIED, "email_unverified", "Your email address is not verified."
)
SUBSCRIPTION_EXPIRED = Refusal(
    grpc.StatusCode.PERMISSION_DENIED, "subscription_expired", "Your subscription has expired."
)
NO_API_ACCESS = Refusal(
    grpc.StatusCode.PERMISSION_DENIED, "no_api_access", "Your plan does not include API access."
)
PLAN_FEATURE_MISSING = Refusal(
    grpc.StatusCode.PERMISSION_DENIED,
    "plan_feature_missing",
    "Your plan does not include {feature}.",
    example={"feature": "batch processing"},
)
MISSING_ABILITY = Refusal(
    grpc.StatusCode.PERMISSION_DENIED,
    "missing_ability",
    "The token lacks the ability {ability}.",
    example={"ability": "images:write"},
)
REAUTHENTICATION_REQUIRED = Refusal(
    grpc.StatusCode.PERMISSION_DENIED,
    "reauthentication_required",
    "Please log in again, or send your {proof}.",
    example={"proof": "current password"},
)
QUOTA_EXCEEDED = Refusal(
    grpc.StatusCode.PERMISSION_DENIED, "quota_exceeded", "You have exceeded your monthly image quota."
)
INVALID_SIGNATURE = Refusal(
    grpc.StatusCode.PERMISSION_DENIED, "invalid_signature", "This link is invalid or has expired."
)
FOREIGN_PAGE = Refusal(
    grpc.StatusCode.PERMISSION_DENIED,
    "foreign_page",
    "Only the console of this server may send this request.",
)
HTTPS_REQUIRED = Refusal(
    grpc.StatusCode.FAILED_PRECONDITION,
    "https_required",
    "Browsers keep you signed in only at an address with https, or on the machine that runs this server.",
)

IMAGE_NOT_FOUND = Refusal(grpc.StatusCode.NOT_FOUND, "image_not_found", "Image not found.")
PYRAMID_NOT_FOUND = Refusal(
    grpc.StatusCode.NOT_FOUND, "pyramid_not_found", "There is no pyramid of this picture."
)
BATCH_NOT_FOUND = Refusal(grpc.StatusCode.NOT_FOUND, "batch_not_found", "Batch not found.")
TOKEN_NOT_FOUND = Refusal(grpc.StatusCode.NOT_FOUND, "token_not_found", "Token not found.")
WEBHOOK_NOT_FOUND = Refusal(grpc.StatusCode.NOT_FOUND, "webhook_not_found", "Webhook not found.")
DELIVERY_NOT_FOUND = Refusal(grpc.StatusCode.NOT_FOUND, "delivery_not_found", "Delivery not found.")
USER_NOT_FOUND = Refusal(
    grpc.StatusCode.NOT_FOUND, "user_not_found", "no user {user}", example={"user": "1"}
)

IMAGE_PROCESSING = Refusal(
    grpc.StatusCode.FAILED_PRECONDITION, "image_processing", "Image is still processing"
)
IMAGE_FAILED = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "image_failed", "Image processing failed")

NOTHING_TO_RETRY = Refusal(
    grpc.StatusCode.ALREADY_EXISTS, "nothing_to_retry", "There is no failed image to retry."
)
NOT_RETRYABLE = Refusal(
    grpc.StatusCode.ALREADY_EXISTS,
    "not_retryable",
    "The image would fail again: {reason}",
    example={"reason": "The file is damaged."},
)
ORIGINAL_MISSING = Refusal(
    grpc.StatusCode.ALREADY_EXISTS,
    "original_missing",
    "The original is no longer stored. Upload the file again.",
)

BATCH_UNFINISHED = Refusal(
    grpc.StatusCode.FAILED_PRECONDITION, "batch_unfinished", "The batch has not ended."
)
RANGE_NOT_SUPPORTED = Refusal(
    grpc.StatusCode.FAILED_PRECONDITION,
    "range_not_supported",
    "An archive is made while it is read. Request it without a Range.",
)

SECOND_FACTOR_ENABLED = Refusal(
    grpc.StatusCode.ALREADY_EXISTS, "second_factor_enabled", "The second factor is already switched on."
)
SECOND_FACTOR_MISSING = Refusal(
    grpc.StatusCode.FAILED_PRECONDITION, "second_factor_missing", "There is no second factor to use."
)

WEBHOOK_DISABLED = Refusal(
    grpc.StatusCode.FAILED_PRECONDITION, "webhook_disabled", "The webhook is disabled. Enable it first."
)

VALIDATION_FAILED = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "validation_failed", "Validation failed")
IDEMPOTENCY_KEY_INVALID = Refusal(
    grpc.StatusCode.FAILED_PRECONDITION,
    "idempotency_key_invalid",
    "The Idempotency-Key header must have 1 to 255 visible ASCII characters, and may be sent only once.",
)
IDEMPOTENCY_KEY_REUSED = VALIDATION_FAILED._replace(
    code="idempotency_key_reused",
    fields={"Idempotency-Key": ("The Idempotency-Key was used for a request with another body.",)},
)
IDEMPOTENCY_KEY_IN_USE = Refusal(
    grpc.StatusCode.ALREADY_EXISTS,
    "idempotency_key_in_use",
    "The first request with this Idempotency-Key is not finished yet.",
)

TOO_MANY_REQUESTS = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_requests", "Too many requests.")
TOO_MANY_WAITS = TOO_MANY_REQUESTS._replace(code="too_many_waits")
TOO_MANY_EVENT_STREAMS = TOO_MANY_REQUESTS._replace(code="too_many_event_streams")
TOO_MANY_ARCHIVES = TOO_MANY_REQUESTS._replace(code="too_many_archives")
TOO_MANY_UNDECODABLE = TOO_MANY_REQUESTS._replace(code="too_many_undecodable")
TOO_MANY_REFUSED_ITEMS = TOO_MANY_REQUESTS._replace(code="too_many_refused_items")
TOO_MANY_UNUSED_UPLOADS = TOO_MANY_REQUESTS._replace(code="too_many_unused_uploads")

INTERNAL_ERROR = Refusal(
    grpc.StatusCode.INTERNAL, "internal_error", "Something went wrong on our end. Try again later."
)
SERVICE_UNAVAILABLE = Refusal(
    grpc.StatusCode.UNAVAILABLE, "service_unavailable", "Service temporarily unavailable."
)
DATABASE_UNAVAILABLE = SERVICE_UNAVAILABLE._replace(code="database_unavailable")
BROKER_UNAVAILABLE = SERVICE_UNAVAILABLE._replace(code="broker_unavailable")
OBJECT_STORE_UNAVAILABLE = SERVICE_UNAVAILABLE._replace(code="object_store_unavailable")
TOO_MANY_UPLOADS = SERVICE_UNAVAILABLE._replace(code="too_many_uploads")
UPLOADS_FULL = SERVICE_UNAVAILABLE._replace(code="uploads_full")
DEADLINE_EXCEEDED = Refusal(
    grpc.StatusCode.DEADLINE_EXCEEDED, "deadline_exceeded", "The service took too long to answer."
)
