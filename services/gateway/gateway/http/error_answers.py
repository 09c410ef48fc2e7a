"""Turns every error into an answer in the envelope of the contract."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import errors, log
from common.rpc_failures import to_service_error
from gateway.http.envelope import Problem
from gateway.http.errors import METHOD_NOT_ALLOWED, NOT_FOUND, status_of
from gateway.http.routing import allowed_methods, is_api_path, pattern_of
from loupe import refusals

LOG = log.get(__name__)
RETRY_AFTER_SECONDS = 2
INTERNAL_REASONS = {"internal_token_invalid", "client_refused", "caller_refused"}
"""Reasons for which a service refuses the gateway itself. Clients get a 500 instead."""
NOT_FOUND_BY_PARAMETER = {
    "batch_id": refusals.BATCH_NOT_FOUND,
    "delivery_id": refusals.DELIVERY_NOT_FOUND,
    "image_id": refusals.IMAGE_NOT_FOUND,
    "token_id": refusals.TOKEN_NOT_FOUND,
    "webhook_id": refusals.WEBHOOK_NOT_FOUND,
}
"""The refusal of an invalid value, by the name of the path parameter."""


def answer(
    request: Request, error: errors.ServiceError, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return the error as an answer, with the headers that its status requires."""
    error = _hide_internals(error)
    status = status_of(error.code, error.reason)
    extra = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    if error.retry_after_seconds:
        extra["Retry-After"] = str(error.retry_after_seconds)
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        extra.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return _problem_response(request, status, error.message, error.reason, fields=error.fields, headers=extra)


def _hide_internals(error: errors.ServiceError) -> errors.ServiceError:
    """Log failures among our services, and replace them by an error without details."""
    if not isinstance(error, errors.Internal) and error.reason not in INTERNAL_REASONS:
        return error
    hidden = errors.refused(refusals.INTERNAL_ERROR)
    if error.reason != hidden.reason or error.message != hidden.message:
        LOG.error(
            "a service failed or refused the gateway",
            reason=error.reason,
            error=error.message,
            action="answered 500 without details",
        )
    return hidden


def _problem_response(
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


def install(app: FastAPI, count_unrouted: Callable[[Request], Awaitable[None]]) -> None:
    """Answer every error, FastAPI's and ours, in the envelope.

    `count_unrouted` counts an API request that no route answers, and raises if the limit is exceeded.
    """

    @app.exception_handler(errors.ServiceError)
    async def on_service_error(request: Request, error: errors.ServiceError) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def on_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(request, _to_service_error(error))

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
        if is_api_path(request.scope["path"]) and "RateLimit" not in request.state.headers:
            try:
                await count_unrouted(request)
            except errors.ServiceError as refusal:
                return answer(request, refusal)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allow = {"Allow": ", ".join(allowed_methods(app, request))}
            return _problem_response(
                request, 405, METHOD_NOT_ALLOWED.text, METHOD_NOT_ALLOWED.code, headers=allow
            )
        if error.status_code == HTTPStatus.NOT_FOUND:
            return answer(request, errors.refused(NOT_FOUND))
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_")
        return _problem_response(
            request, error.status_code, f"{phrase}.", code, headers=dict(error.headers or {})
        )

    app.add_middleware(Failsafe)


class Failsafe:
    """Middleware that answers unexpected exceptions.

    FastAPI's own handler for `Exception` runs outside all middleware, so its answers would lack our headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def watched_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception as error:
            if has_begun or scope["type"] != "http":
                raise
            request = Request(scope)
            failure = to_service_error(error, f"{request.method} {pattern_of(scope)}")
            await answer(request, failure)(scope, receive, send)


def _to_service_error(error: RequestValidationError) -> errors.ServiceError:
    fields: dict[str, list[str]] = {}
    for detail in error.errors():
        source, *names = detail["loc"]
        if source == "path":
            return errors.refused(NOT_FOUND_BY_PARAMETER.get(str(names[0]), NOT_FOUND))
        name = ".".join(str(name) for name in names) or str(source)
        fields.setdefault(name, []).append(f"The {name.replace('_', ' ')} is invalid.")
    return errors.invalid(fields)
