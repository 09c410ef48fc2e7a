"""Renders the answers of the API as pydantic models, from the OpenAPI document.

A choice is plain text, and its docstring lists the known values. So a value that a later release adds breaks
nothing.
"""

import re
import textwrap
from collections.abc import Iterator
from typing import Any, cast

from common.metrics import Readiness
from gateway import app
from gateway.backend import Backend
from gateway.openapi import document

Json = dict[str, Any]
WIDTH = 100
HEADER = '''\
# Generated from the OpenAPI document by `make client`. Do not edit.
"""The answers of the API. Fields that are unknown here are kept, and a choice may have unknown values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A part of an answer. Fields that a later release adds are in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True, protected_namespaces=())
'''
NAMES = re.compile(r"#/components/schemas/(\w+)")
PRIMITIVES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
FORMATS = {"date-time": "datetime", "date": "date"}


def described() -> Json:
    """Return the OpenAPI document."""
    return document.describe_api(app.create(cast("Backend", None), Readiness()), "")


def described_answers() -> tuple[Json, list[str]]:
    """Return all schemas of the OpenAPI document, and the names of those that answers carry as data."""
    whole = described()
    schemas: Json = whole["components"]["schemas"]
    return schemas, sorted(reachable(schemas, carried(whole, schemas)))


def render_models(schemas: Json, names: list[str]) -> str:
    """Return the module with a model for each of these schemas."""
    choices = [name for name in names if "enum" in schemas[name]]
    parts = [render_choice(name, schemas[name]) for name in choices]
    parts += [render_object(name, schemas[name]) for name in names if name not in choices]
    return HEADER + "\n" + "\n".join(parts)


def carried(whole: Json, schemas: Json) -> Iterator[str]:
    """Yield the names of what successes carry."""
    yield from ("Event",)
    for methods in whole["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                for media in answer.get("content", {}).values() if status < "300" else ():
                    for envelope in NAMES.findall(str(media["schema"])):
                        yield from NAMES.findall(str(schemas[envelope]["properties"].get("data", "")))


def reachable(schemas: Json, names: Iterator[str]) -> set[str]:
    """Return the names of these schemas and of all that they refer to."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += NAMES.findall(str(schemas[name]))
    return found


def render_choice(name: str, schema: Json) -> str:
    values = ", ".join(f"`{value}`" for value in schema["enum"])
    return f"{name} = {PRIMITIVES[schema['type']]}\n{docstring(f'Known values: {values}.', 0)}\n"


def render_object(name: str, schema: Json) -> str:
    if "properties" not in schema:
        item = type_of(schema.get("additionalProperties", {}))
        return f"{name} = dict[str, {item}]\n"
    lines = ["", f"class {name}(Answer):", docstring(schema.get("description", f"{name}."), 4), ""]
    required = set(schema.get("required", ()))
    for field, part in schema["properties"].items():
        lines.append(f"    {field}: {type_of(part)}{default_of(part, is_required=field in required)}")
        if description := part.get("description"):
            lines.append(docstring(description, 4))
    return "\n".join(lines) + "\n"


def type_of(part: Json) -> str:
    if "$ref" in part:
        return str(part["$ref"]).rpartition("/")[2]
    if "anyOf" in part:
        return " | ".join(type_of(each) for each in part["anyOf"])
    kinds = part.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " | ".join(type_of_kind(kind, part) for kind in kinds) or "Any"


def type_of_kind(kind: str, part: Json) -> str:
    if kind == "array":
        return f"list[{type_of(part.get('items', {}))}]"
    if kind == "object":
        return "dict[str, Any]"
    return FORMATS.get(part.get("format", ""), PRIMITIVES[kind]) if kind == "string" else PRIMITIVES[kind]


def default_of(part: Json, *, is_required: bool) -> str:
    """Return the default of a field. An older server lacks fields: only what is never null stays required."""
    types = type_of(part)
    if types.startswith("list["):
        return " = []"
    if "None" in types:
        return " = None"
    return "" if is_required else " | None = None"


def docstring(text: str, indent: int) -> str:
    lines = textwrap.wrap(" ".join(text.split()), WIDTH - indent)
    space = " " * indent
    if len(lines) == 1:
        return f'{space}"""{lines[0]}"""'
    return f'{space}"""' + f"\n{space}".join(lines) + f'\n{space}"""'
