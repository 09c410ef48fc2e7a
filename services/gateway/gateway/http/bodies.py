"""Small bodies, as JSON or urlencoded, of the account routes."""

import json
from typing import Any
from urllib.parse import parse_qsl

from multipart import parse_options_header
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from common import errors
from gateway.http.error_answers import Malformed, TooLarge

LARGEST = 64 << 10


def described(model: type[BaseModel], *required: str) -> dict[str, Any]:
    """The body for OpenAPI."""
    schema = {"schema": model.model_json_schema() | {"required": list(required)}}
    kinds = ("application/json", "application/x-www-form-urlencoded")
    return {"requestBody": {"content": dict.fromkeys(kinds, schema)}}


async def read(request: Request, *lists: str) -> dict[str, object]:
    """Fields that are `lists` may stand several times in an urlencoded body, with brackets or without."""
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
            return _from_form(body.decode(), lists)
        parsed = json.loads(body or b"{}")
        json.dumps(parsed, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Malformed("The request body is malformed.", reason="malformed_body") from error
    if not isinstance(parsed, dict):
        raise Malformed("The request body must be an object.", reason="malformed_body")
    return parsed


def checked(model: type[BaseModel], values: dict[str, object]) -> dict[str, Any]:
    """The model's fields, texts and lists of texts; null counts as not sent."""
    try:
        parsed = model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        fields: dict[str, list[str]] = {}
        for detail in error.errors():
            name, *items = map(str, detail["loc"])
            fields.setdefault(name, [_problem(name.replace("_", " "), detail["type"], in_list=bool(items))])
        raise errors.invalid(fields) from error
    return parsed.model_dump()


def _from_form(text: str, lists: tuple[str, ...]) -> dict[str, object]:
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    values: dict[str, object] = dict(pairs)
    for name in lists:
        if found := [value for key, value in pairs if key.partition("[")[0] == name]:
            values[name] = found
    return values


def _problem(words: str, kind: str, *, in_list: bool) -> str:
    match kind:
        case "too_short":
            return f"The {words} must have at least one item."
        case "list_type":
            return f"The {words} must be a list."
        case _:
            return f"The {words} must be a list of strings." if in_list else f"The {words} must be a string."
