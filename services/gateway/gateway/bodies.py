"""Small bodies, as JSON or urlencoded, of the account routes."""

import json
from typing import Any
from urllib.parse import parse_qsl

from multipart import parse_options_header
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from common import errors
from gateway.failures import Malformed, TooLarge

LARGEST = 64 << 10


def described(model: type[BaseModel], *required: str) -> dict[str, Any]:
    """The body for OpenAPI."""
    schema = {"schema": model.model_json_schema() | {"required": list(required)}}
    kinds = ("application/json", "application/x-www-form-urlencoded")
    return {"requestBody": {"content": dict.fromkeys(kinds, schema)}}


async def read(request: Request) -> dict[str, object]:
    kind, _ = parse_options_header(request.headers.get("content-type", ""))
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise TooLarge(
                f"The request body may not be greater than {LARGEST} bytes.", reason="body_too_large"
            )
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
        parsed = json.loads(body or b"{}")
        json.dumps(parsed, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Malformed("The request body is malformed.", reason="malformed_body") from error
    if not isinstance(parsed, dict):
        raise Malformed("The request body must be an object.", reason="malformed_body")
    return parsed


def checked(model: type[BaseModel], values: dict[str, object]) -> dict[str, str]:
    """The model's fields as texts; null counts as not sent."""
    try:
        parsed = model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        names = [str(detail["loc"][0]) for detail in error.errors()]
        raise errors.invalid(
            {name: [f"The {name.replace('_', ' ')} must be a string."] for name in names}
        ) from error
    return parsed.model_dump()
