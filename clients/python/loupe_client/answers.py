"""Reads answers of the API: their data, or the error that they are."""

import json
from typing import Any, TypeVar

import httpx2
from pydantic import TypeAdapter, ValidationError

from loupe_client.backoff import retry_after_of
from loupe_client.errors import ApiError, UnexpectedAnswer, class_of

T = TypeVar("T")


def envelope_of(response: httpx2.Response) -> dict[str, Any]:
    """Return the envelope of a success. Raise the `ApiError` of a refusal, `UnexpectedAnswer` for others."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    if not isinstance(body, dict) or "success" not in body:
        if response.status_code >= 500:  # a proxy answers for a server that is away
            raise class_of("", response.status_code)(
                f"The server answered {response.status_code}.", status=response.status_code, code=""
            )
        raise UnexpectedAnswer(
            f"{response.request.url.host} answered {response.status_code}, and not as Loupe does: "
            "check the address of the server"
        )
    if response.is_success:
        return body
    raise refusal_of(response, body)


def refusal_of(response: httpx2.Response, body: dict[str, Any]) -> ApiError:
    """Return the error that a refusal is."""
    code = str(body.get("code") or "")
    return class_of(code, response.status_code)(
        str(body.get("message") or f"The server answered {response.status_code}."),
        status=response.status_code,
        code=code,
        errors=body.get("errors") or {},
        request_id=str(body.get("request_id") or ""),
        retry_after=retry_after_of(response.headers),
    )


def parse(kind: type[T], data: object) -> T:
    """Return the data as this type. Raise `UnexpectedAnswer` if it lacks something essential."""
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(each) for each in first["loc"])
        raise UnexpectedAnswer(f"The answer of the server lacks sense at {place}: {first['msg']}") from error
