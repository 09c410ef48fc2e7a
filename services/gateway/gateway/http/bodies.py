"""Reads small request bodies, which may be JSON or urlencoded, and checks them against a model."""

import json
from typing import Any
from urllib.parse import parse_qsl

from multipart import parse_options_header
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from common import errors
from gateway.http.errors import BODY_TOO_LARGE, malformed_body

LARGEST_BODY_BYTES = 64 << 10
MOST_FIELDS = 100


async def read(request: Request, *list_fields: str) -> dict[str, object]:
    """Return the fields of the body.

    In an urlencoded body each of the `list_fields` may appear several times, with or without brackets.
    """
    media_type, _ = parse_options_header(request.headers.get("content-type", ""))
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY_BYTES:
            raise errors.refused(BODY_TOO_LARGE, limit=f"{LARGEST_BODY_BYTES} bytes")
    try:
        if media_type == "application/x-www-form-urlencoded":
            return _from_form(body.decode(), list_fields)
        parsed = json.loads(body or b"{}")
        json.dumps(parsed, ensure_ascii=False).encode()  # refuse half of a surrogate pair
    except (ValueError, RecursionError) as error:
        raise malformed_body() from error
    if not isinstance(parsed, dict):
        raise malformed_body("The request body must be an object.")
    return parsed


def validate(model: type[BaseModel], values: dict[str, object]) -> dict[str, Any]:
    """Return the values of all fields of the model, or raise `InvalidArgument`. A null counts as not sent."""
    try:
        parsed = model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        fields: dict[str, list[str]] = {}
        for detail in error.errors():
            name, *items = map(str, detail["loc"])
            label = name.replace("_", " ")
            fields.setdefault(name, [_error_text(label, detail["type"], in_list=bool(items))])
        raise errors.invalid(fields) from error
    return parsed.model_dump()


def _from_form(text: str, list_fields: tuple[str, ...]) -> dict[str, object]:
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    values: dict[str, object] = dict(pairs)
    for name in list_fields:
        if found := [value for key, value in pairs if key.partition("[")[0] == name]:
            values[name] = found
    return values


def _error_text(label: str, kind: str, *, in_list: bool) -> str:
    match kind:
        case "too_short":
            return f"The {label} must have at least one item."
        case "list_type":
            return f"The {label} must be a list."
        case _:
            return f"The {label} must be a list of strings." if in_list else f"The {label} must be a string."
