"""Reads small request bodies, which may be JSON or urlencoded, and checks them against a model."""

import json
from collections.abc import Collection, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

from multipart import parse_options_header
from pydantic import BaseModel, BeforeValidator, ValidationError
from starlette.requests import Request

from common import errors
from gateway.http.content_encoding import check_encoding
from gateway.http.errors import BODY_TOO_LARGE, malformed_body
from gateway.http.field_warnings import near_misses_of, warnings_of

LARGEST_BODY_BYTES = 64 << 10
MOST_FIELDS = 100
"""Fields of a form, and of each object in JSON. To compare unknown ones with all options takes time."""


async def parse(request: Request, model: type[BaseModel], *list_fields: str) -> dict[str, Any]:
    """Read the body, and return the values of all fields of the model. A null counts as not sent.

    In an urlencoded body each of the `list_fields` may appear several times, with or without brackets. Fields
    without effect become warnings of the answer. Raise `InvalidArgument` with every field at fault.
    """
    sent = await read(request, list_fields)
    warnings_of(request).add_fields(sent, model.model_fields)
    return _validate(model, dict(sent))


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


Text = Annotated[str, BeforeValidator(_as_text)]
"""A value that another service checks as a text. Numbers and booleans in JSON become texts as in a form."""


def _no_boolean(value: object) -> object:
    """Return the value, or the text of a boolean, which is refused as no number."""
    return str(value) if isinstance(value, bool) else value


WholeNumber = Annotated[int, BeforeValidator(_no_boolean)]
"""A number, or a text with one."""


async def parse_options(
    request: Request, model: type[BaseModel], options: Collection[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a body that has options of an upload.

    Return the values that were sent, and the unknown fields that are near to an option, with that option.
    """
    sent = await read(request)
    warnings_of(request).add_fields(sent, model.model_fields)
    unknown = [name for name, _ in sent if name not in model.model_fields]
    near_misses = near_misses_of(unknown, options)
    values = _validate(model, dict(sent))
    return {name: value for name, value in values.items() if value is not None}, near_misses


async def read(
    request: Request, list_fields: tuple[str, ...] = (), *, largest: int = LARGEST_BODY_BYTES
) -> list[tuple[str, object]]:
    """Return the fields of the body, in their order. It may have `largest` bytes."""
    check_encoding(request)
    media_type, _ = parse_options_header(request.headers.get("content-type", ""))
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > largest:
            raise errors.refused(BODY_TOO_LARGE, limit=f"{largest} bytes")
    try:
        if media_type == "application/x-www-form-urlencoded":
            return _from_form(body.decode(), list_fields)
        return _from_json(bytes(body))
    except (ValueError, RecursionError) as error:
        raise malformed_body() from error


def _validate(model: type[BaseModel], values: dict[str, object]) -> dict[str, Any]:
    try:
        parsed = model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        fields: dict[str, list[str]] = {}
        for detail in error.errors():
            name, *items = map(str, detail["loc"])
            label = name.replace("_", " ")
            limits = detail.get("ctx", {})
            fields.setdefault(name, [_error_text(label, detail["type"], limits, in_list=bool(items))])
        raise errors.invalid(fields) from error
    return parsed.model_dump()


def _from_json(body: bytes) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []

    def keep(found: list[tuple[str, object]]) -> dict[str, object]:
        if len(found) > MOST_FIELDS:
            raise malformed_body(f"An object in the request body has more than {MOST_FIELDS} fields.")
        pairs[:] = found  # the outermost object comes last
        return dict(found)

    parsed = json.loads(body or b"{}", object_pairs_hook=keep)
    json.dumps(parsed, ensure_ascii=False).encode()  # refuse half of a surrogate pair
    if not isinstance(parsed, dict):
        raise malformed_body("The request body must be an object.")
    return pairs


def _from_form(text: str, list_fields: tuple[str, ...]) -> list[tuple[str, object]]:
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    lists: dict[str, list[str]] = {}
    fields: list[tuple[str, object]] = []
    for key, value in pairs:
        name = key.partition("[")[0]
        if name in list_fields:
            lists.setdefault(name, []).append(value)
        else:
            fields.append((key, value))
    return [*fields, *lists.items()]


def _error_text(label: str, kind: str, limits: Mapping[str, object], *, in_list: bool) -> str:
    match kind:
        case "missing":
            return f"The {label} field is required."
        case "too_short":
            problem = "must have at least one item"
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            problem = "must be a whole number"
        case "greater_than_equal":
            problem = f"must be at least {limits['ge']}"
        case "less_than":
            problem = f"must be less than {limits['lt']}"
        case "list_type":
            problem = "must be a list"
        case "bool_type" | "bool_parsing":
            problem = "must be true or false"
        case _:
            problem = "must be a list of strings" if in_list else "must be a string"
    return f"The {label} {problem}."
