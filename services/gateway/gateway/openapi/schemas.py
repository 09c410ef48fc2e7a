"""The JSON Schema of requests and answers, with a name, texts and an example for each part."""

import re
from typing import Any

from gateway.openapi import answer_fields, answer_objects, request_fields
from gateway.openapi.schema_parts import REFERENCE

Json = dict[str, Any]
ID = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
GENERIC_NAMES = (
    (r"Batch_BatchImage_", "Batch"),
    (r"Batch_AcceptedBatchImage_", "AcceptedBatch"),
    (r"list_(\w+?)_", r"\1s"),
    (r"(Envelope|Page)_(\w+)_", r"\2\1"),
)
"""Patterns that make the names of generic models readable."""
GENERIC_TEXTS = {"Envelope": "The JSON around the data of a success.", "Page": "One page of a list."}


def model_name(schema: Json) -> str:
    return str(schema["$ref"]).removeprefix(REFERENCE)


def readable_name(model: str) -> str:
    for pattern, name in GENERIC_NAMES:
        model = re.sub(pattern, name, model)
    return model


def simplify(node: Any) -> Any:
    """Return the schema without titles that repeat names, with `null` as one of the types, and with integer
    limits as integers. A choice keeps its title.
    """
    if isinstance(node, list):
        return [simplify(one) for one in node]
    if not isinstance(node, dict):
        return node
    found: Json = {
        key: simplify(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str) and "enum" not in node)
    }
    for keyword, limit in (("ge", "minimum"), ("le", "maximum")):  # pydantic writes these beside validators
        if keyword in found and "type" in found:
            found[limit] = found.pop(keyword)
        if isinstance(found.get(limit), float):
            found[limit] = int(found[limit])
    if "$ref" in found:
        found["$ref"] = REFERENCE + readable_name(model_name(found))
    match found.get("anyOf"):
        case [{"type": str(kind)} as main, {"type": "null"}] if "enum" not in main:
            del found["anyOf"]
            found = main | {"type": [kind, "null"]} | found
        case _:
            pass
    return found


def describe_parameter(parameter: Json, operation_id: str) -> None:
    """Complete the description of an operation's parameter. A value in an address is never null."""
    is_id = parameter["name"].endswith("_id")
    parameter["schema"] = ID if is_id else _not_null(parameter["schema"])
    texts, name = request_fields.PARAMETERS, parameter["name"]
    parameter |= texts.get(f"{operation_id}.{name}", texts.get(name, {}))


def body_schema(name: str, schema: Json, media_type: str) -> Json:
    """Return the schema of a body. Only in JSON, optional fields may be null."""
    properties: Json = {}
    for field, field_schema in schema["properties"].items():
        rules = {key: value for key, value in field_schema.items() if key != "default" or value}
        if media_type == "application/json":
            is_required = field in schema.get("required", ())
            rules = _not_null(rules) if is_required else _or_null(rules)
        properties[field] = rules | _texts_of(request_fields.FIELDS, name, field)
    return {
        "type": "object",
        "description": request_fields.BODIES.get(name, ""),
        **({"required": schema["required"]} if schema.get("required") else {}),
        "properties": properties,
    }


def _texts_of(fields: Json, owner: str, field: str) -> Json:
    return fields.get(f"{owner}.{field}") or fields.get(field, {})


def _or_null(schema: Json) -> Json:
    return schema | {"type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else schema


def _not_null(schema: Json) -> Json:
    match schema:
        case {"type": [kind, *_]}:
            return schema | {"type": kind}
        case {"anyOf": [main, {"type": "null"}]}:
            return main
        case _:
            return schema


def file_fields(schema: Json) -> list[str]:
    """Return the fields of a form that are files, or lists of files."""
    return [
        name for name, one in schema["properties"].items() if one.get("items", one).get("format") == "binary"
    ]


def answer_schemas(models: Json) -> Json:
    """Return the schemas of all models, by readable name."""
    return {readable_name(model): _answer_schema(readable_name(model), models[model]) for model in models}


def _answer_schema(name: str, schema: Json) -> Json:
    generic = next((text for kind, text in GENERIC_TEXTS.items() if name.endswith(kind)), "")
    properties: Json = {
        field: field_schema | _texts_of(answer_fields.FIELDS, name, field)
        for field, field_schema in schema.get("properties", {}).items()
    }
    for field_schema in properties.values():
        field_schema.pop("default", None)
    optional = [
        field for field, one in schema.get("properties", {}).items() if one.get("default", "") is None
    ]
    return {
        "type": "object",
        "description": answer_objects.OBJECTS.get(name, generic),
        "required": [field for field in properties if field not in optional],
        "properties": properties,
    }


def add_examples(schemas: Json) -> None:
    """Give an example to each property that has none: the examples of its own properties."""
    for schema in schemas.values():
        for field_schema in schema.get("properties", {}).values():
            if "examples" not in field_schema:
                field_schema["examples"] = [_example(field_schema, schemas)]


def _example(schema: Json, schemas: Json) -> Any:
    match schema:
        case {"examples": [example, *_]}:
            return example
        case {"$ref": reference}:
            return _example(schemas[str(reference).removeprefix(REFERENCE)], schemas)
        case {"anyOf": [main, *_]}:
            return _example(main, schemas)
        case {"items": items}:
            return [_example(items, schemas)]
        case {"properties": properties}:
            return {name: _example(one, schemas) for name, one in properties.items()}
        case _:
            raise ValueError(f"answer_fields.py or request_fields.py has no example for {schema}")


def used_models(paths: Json, models: Json) -> Json:
    """Return the models that the paths refer to, directly or through other models."""
    found: set[str] = set()
    new = _references(paths)
    while new:
        found |= new
        new = {other for name in new for other in _references(models[name])} - found
    return {name: models[name] for name in sorted(found)}


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for one in node for name in _references(one)}
    if not isinstance(node, dict):
        return set()
    own = {model_name(node)} if str(node.get("$ref", "")).startswith(REFERENCE) else set[str]()
    return own | {name for one in node.values() for name in _references(one)}
