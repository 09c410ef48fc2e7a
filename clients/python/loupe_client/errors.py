"""Everything that can go wrong, as classes.

A refusal of the API is an `ApiError`. Its class follows from `code`. For a code that this release does not
know it follows from the HTTP status.
"""

from collections.abc import Mapping, Sequence


class LoupeError(Exception):
    """Anything that this package raises on purpose."""


class NotConfigured(LoupeError):
    """No server, or no token, was given or found."""


class InvalidInput(LoupeError):
    """The request cannot be sent as it is: a file is missing, or options contradict each other."""


class ConnectionFailed(LoupeError):
    """The server, or the store of the results, did not answer, also after all retries."""


class UnexpectedAnswer(LoupeError):
    """The answer is not one of Loupe's. Another server may listen at this address."""


class WaitTimedOut(LoupeError):
    """The image or the batch had not ended in time. It goes on; wait again, or fetch it later."""


class DownloadFailed(LoupeError):
    """The result could not be downloaded in full. Nothing is left at its path."""

    def __init__(self, message: str, *, is_temporary: bool = False) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary
        """Whether another attempt may succeed."""


class UploadRefused(LoupeError):
    """The object store refused a direct upload."""


class WebhookInvalid(LoupeError):
    """The signature, the time or the form of a webhook is wrong: do not trust its body."""


class ImageFailed(LoupeError):
    """An image ended without a result. It does not count against the quota."""

    def __init__(self, message: str, *, image_id: int, code: str, retryable: bool) -> None:
        super().__init__(message)
        self.image_id = image_id
        self.code = code
        self.retryable = retryable


class ApiError(LoupeError):
    """A refusal of the API."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        errors: Mapping[str, Sequence[str]] | None = None,
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        """The reason, for programs."""
        self.errors = {field: list(texts) for field, texts in (errors or {}).items()}
        """The texts for each faulty field."""
        self.request_id = request_id
        """Operators find the request in their logs by it."""
        self.retry_after = retry_after
        """Seconds after which the server wants the request again; None if it names none."""

    def __str__(self) -> str:
        texts = [text for field in self.errors.values() for text in field]
        return " ".join(texts) or self.message


class BadRequest(ApiError):
    """400: the request is malformed, or the image has no result yet."""


class ImageNotFinished(BadRequest):
    """The image is still being processed."""


class Unauthenticated(ApiError):
    """401: the token is missing, wrong, revoked or expired."""


class InvalidCredentials(Unauthenticated):
    """The address or the password is wrong."""


class SecondFactorRequired(Unauthenticated):
    """The account needs the code of its second factor."""


class PermissionDenied(ApiError):
    """403: the account or the token may not do this."""


class EmailUnverified(PermissionDenied):
    """The account's address is not verified yet."""


class PlanInsufficient(PermissionDenied):
    """The plan does not include this."""


class SubscriptionExpired(PermissionDenied):
    """The subscription has ended. Reading, downloading and deleting still work."""


class QuotaExceeded(PermissionDenied):
    """The images of this month are used up."""


class MissingAbility(PermissionDenied):
    """The token lacks an ability."""


class ReauthenticationRequired(PermissionDenied):
    """This change needs the password, a code, or a login of the last minutes."""


class NotFound(ApiError):
    """404: it does not exist, or belongs to another user."""


class Conflict(ApiError):
    """409: it was changed meanwhile, or exists already."""


class IdempotencyKeyInUse(Conflict):
    """The first request with this idempotency key is still running."""


class BodyTooLarge(ApiError):
    """413: the file is larger than the server takes."""


class ValidationFailed(ApiError):
    """422: `errors` names each faulty field and its limit."""


class IdempotencyKeyReused(ValidationFailed):
    """The idempotency key was used with another file or other options."""


class TooManyRequests(ApiError):
    """429: a limit is reached. `retry_after` says when to come back."""


class ServerError(ApiError):
    """5xx: something went wrong on the server."""


class ServiceUnavailable(ServerError):
    """503: the server, or a part of it, is away for a moment."""


BY_CODE: dict[str, type[ApiError]] = {
    "image_processing": ImageNotFinished,
    "invalid_credentials": InvalidCredentials,
    "second_factor_required": SecondFactorRequired,
    "email_unverified": EmailUnverified,
    "no_api_access": PlanInsufficient,
    "plan_feature_missing": PlanInsufficient,
    "subscription_expired": SubscriptionExpired,
    "quota_exceeded": QuotaExceeded,
    "missing_ability": MissingAbility,
    "reauthentication_required": ReauthenticationRequired,
    "idempotency_key_in_use": IdempotencyKeyInUse,
    "idempotency_key_reused": IdempotencyKeyReused,
}
BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: BodyTooLarge,
    422: ValidationFailed,
    429: TooManyRequests,
    503: ServiceUnavailable,
}


def class_of(code: str, status: int) -> type[ApiError]:
    """Return the class of a refusal."""
    return BY_CODE.get(code) or BY_STATUS.get(status) or (ServerError if status >= 500 else ApiError)
