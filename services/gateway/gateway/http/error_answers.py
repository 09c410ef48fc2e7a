"""Errors as the contract tells them: one table from gRPC codes to HTTP, one envelope for all of them."""

from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import errors, log
from common.rpc_failures import to_service_error
from gateway.http.envelope import Problem
from gateway.identity import access

LOG = log.get(__name__)
HTTP_STATUS: dict[type[errors.ServiceError], int] = {
    errors.InvalidArgument: 422,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.FailedPrecondition: 400,
    errors.ResourceExhausted: 429,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
}
RETRY_AFTER_SECONDS = 2
AMONG_SERVICES = {"internal_token_invalid", "client_refused", "caller_refused"}
INTERNAL_ERROR = errors.Internal("Something went wrong on our end. Try again later.", reason="internal_error")
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
NOT_FOUND = {"batch_id": "Batch not found.", "image_id": "Image not found.", "token_id": "Token not found."}


class Malformed(errors.FailedPrecondition):
    """A body that cannot be read at all: 400."""


class TooLarge(errors.ServiceError):
    """A body over the hard cap: 413, not read to its end."""

    code = errors.grpc.StatusCode.OUT_OF_RANGE


class TargetTooLong(TooLarge):
    """414."""


class HeadersTooLarge(TooLarge):
    """431."""


class Late(errors.FailedPrecondition):
    """A request that does not arrive in time: 408."""


HTTP_STATUS.update({Malformed: 400, TooLarge: 413, TargetTooLong: 414, HeadersTooLarge: 431, Late: 408})


def answer(
    request: Request, error: errors.ServiceError, headers: dict[str, str] | None = None
) -> JSONResponse:
    error = _for_clients(error)
    status = HTTP_STATUS.get(type(error), 500)
    extra = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        extra.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return problem(request, status, error.message, error.reason, fields=error.fields, headers=extra)


def _for_clients(error: errors.ServiceError) -> errors.ServiceError:
    """What went wrong among services is their business: it is logged, and no client is told."""
    if not isinstance(error, errors.Internal) and error.reason not in AMONG_SERVICES:
        return error
    if error.reason != "internal_error" or error.message != INTERNAL_ERROR.message:
        LOG.error("services disagree", reason=error.reason, error=error.message)
    return INTERNAL_ERROR


def problem(
    request: Request,
    status: int,
    message: str,
    code: str,
    *,
    fields: dict[str, list[str]] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    body = Problem(message=message, errors=fields or None, code=code, request_id=request.state.request_id)
    return JSONResponse(body.model_dump(exclude_none=True), status, headers)


def install(app: FastAPI) -> None:
    """Every way in which FastAPI or we can fail ends in the envelope."""

    @app.exception_handler(errors.ServiceError)
    async def on_service_error(request: Request, error: errors.ServiceError) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def on_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        return _invalid(request, error)

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
        if access.is_limited(request.scope["path"]) and "RateLimit" not in request.state.headers:
            try:
                await access.anyone(request)
            except errors.ServiceError as refusal:
                return answer(request, refusal)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allow = {"Allow": ", ".join(_methods(app, request))}
            return problem(request, 405, "Method not allowed.", "method_not_allowed", headers=allow)
        if error.status_code == HTTPStatus.NOT_FOUND:
            return problem(request, 404, "Not found.", "not_found")
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_")
        return problem(request, error.status_code, f"{phrase}.", code, headers=dict(error.headers or {}))

    app.add_middleware(Failsafe)


class Failsafe:
    """Answers what nobody expected. A handler for `Exception` would do so outside of all middleware, without
    the headers that every answer has.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if has_begun or scope["type"] != "http":
                raise
            request = Request(scope)
            failure = to_service_error(error, f"{request.method} {route_of(scope)}")
            await answer(request, failure)(scope, receive, send)


def route_of(scope: Scope) -> str:
    """The route's pattern: paths can hold what is secret."""
    return getattr(scope.get("route"), "path", "none")


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    fields: dict[str, list[str]] = {}
    for detail in error.errors():
        where, *names = detail["loc"]
        if where == "path":
            message = NOT_FOUND.get(str(names[0]), "Not found.")
            return problem(request, 404, message, message.lower().rstrip(".").replace(" ", "_"))
        name = ".".join(str(name) for name in names) or str(where)
        fields.setdefault(name, []).append(f"The {name.replace('_', ' ')} is invalid.")
    return answer(request, errors.invalid(fields))


def _methods(app: FastAPI, request: Request) -> list[str]:
    """Every method that this path has, over all of its routes."""

    def is_there(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in app.routes)

    return [method for method in METHODS if is_there(method)]
