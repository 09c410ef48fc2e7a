"""Renders the answers of the API as TypeScript interfaces, from the OpenAPI document.

A choice lists its known values for editors, and takes any other: a value that a later release adds breaks
nothing.
"""

import json
import textwrap
from typing import Any

Json = dict[str, Any]
WIDTH = 100
HEADER = "// Generated from the OpenAPI document by `make client`. Do not edit.\n"
PRIMITIVES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
REFUSALS = "ErrorCode"
"""The choice of all error codes, which no success carries."""


def render_interfaces(schemas: Json, names: list[str]) -> str:
    """Return the module with an interface for each of these schemas, and with the choice of error codes."""
    return HEADER + "".join("\n" + render(name, schemas[name]) for name in sorted({*names, REFUSALS}))


def render(name: str, schema: Json) -> str:
    about = comment(schema.get("description", f"{name}."), 0)
    if "properties" not in schema:
        line = f"export type {name} = {type_of(schema)};\n"
        return about + (line if len(line) < WIDTH else line.replace("= ", "= | ", 1).replace(" | ", "\n  | "))
    required = set(schema.get("required", ()))
    lines = [f"{about}export interface {name} {{\n"]
    for field, part in schema["properties"].items():
        mark = "" if field in required else "?"
        lines.append(f"{comment(part.get('description', ''), 2)}  {field}{mark}: {type_of(part)};\n")
    return "".join(lines) + "}\n"


def type_of(part: Json) -> str:
    """Return a schema as a type."""
    if "$ref" in part:
        return str(part["$ref"]).rpartition("/")[2]
    if "anyOf" in part:
        return " | ".join(type_of(each) for each in part["anyOf"])
    kinds = part.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "enum" in part:
        known = [json.dumps(value) for value in part["enum"]]
        return " | ".join([*known, f"({PRIMITIVES[kinds[0]]} & {{}})"])
    return " | ".join(type_of_kind(kind, part) for kind in kinds) or "unknown"


def type_of_kind(kind: str, part: Json) -> str:
    if kind == "array":
        item = type_of(part.get("items", {}))
        return f"({item})[]" if " " in item else f"{item}[]"
    if kind == "object":
        values = part.get("additionalProperties")
        return f"Record<string, {type_of(values) if isinstance(values, dict) else 'unknown'}>"
    return PRIMITIVES[kind]


def comment(text: str, indent: int) -> str:
    """Return the description as a comment on lines of its own; nothing for no description."""
    lines = textwrap.wrap(" ".join(text.split()), WIDTH - indent)
    space = " " * indent
    if len(lines) < 2:
        return "".join(f"{space}/** {line} */\n" for line in lines)
    return f"{space}/**\n" + "".join(f"{space} * {line}\n" for line in lines) + f"{space} */\n"
