"""Reads and describes values in requests of operators."""

from typing import Any

from pydantic import BaseModel

from common import errors, timestamps


def takes(model: type[BaseModel], *, is_required: bool = True) -> dict[str, Any]:
    """Return the description of a JSON body, for `openapi_extra` of a route that reads the body itself."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": is_required, "content": content}}


def instant_of(name: str, text: str | None) -> timestamps.Timestamp | None:
    """Return the instant. Raise `InvalidArgument` if the field `name` has another text."""
    if not text:
        return None
    try:
        return timestamps.parse(text)
    except ValueError as error:
        label = name.replace("_", " ")
        problem = f"The {label} must be an instant such as 2030-01-31T12:00:00Z."
        raise errors.invalid({name: [problem]}) from error
