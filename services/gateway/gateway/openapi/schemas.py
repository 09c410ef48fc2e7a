"""The JSON Schema of requests and answers. It adds by field name what the models do not say."""

import re
from collections.abc import Sequence
from typing import Any

from loupe.contract import ABILITIES, SCALE_FACTORS

Json = dict[str, Any]
REFERENCE = "#/components/schemas/"
ID = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
PLAIN_NAMES = {"Batch_BatchImage_": "Batch", "Batch_AcceptedBatchImage_": "AcceptedBatch"}
"""Readable names of generic models."""
ANSWER_FIELDS: Json = {
    r".*_at|period_start": {"format": "date-time"},
    r".*_url|first|last|prev|next": {"format": "uri"},
    r"scale_factor": {"enum": [*SCALE_FACTORS, None]},
    r"scales": {"items": {"type": "integer", "enum": [*SCALE_FACTORS]}},
    r"abilities": {"items": {"type": "string", "enum": [*ABILITIES]}},
    r"progress": {"minimum": 0, "maximum": 100},
    r"queue_position": {
        "minimum": 1,
        "description": "1 for the image that starts next; null once it has started.",
    },
    r"estimated_seconds": {
        "minimum": 1,
        "description": "Seconds until the result; null after the end, or while nothing is known yet.",
    },
}
BODY_FIELDS: Json = {
    "name": {"minLength": 1, "maxLength": 255},
    "password": {"format": "password"},
    "password_confirmation": {"description": "The same password again.", "format": "password"},
    "current_password": {"format": "password"},
    "device_name": {"description": "A label for the token. The default is the user agent."},
    "token": {"description": "The text after the `#` of the link in the mail."},
    "abilities": {
        "description": "What the token may do. The default is everything.",
        "items": {"type": "string", "enum": [*ABILITIES]},
        "uniqueItems": True,
    },
    "expires_at": {"description": "A time in the future (RFC 3339). By default the token does not expire."},
}
OTHER_SIDE = "without the other side, the aspect ratio is kept. Not together with `scale_factor`."
FORM_FIELDS: Json = {
    "scale_factor": {"description": "Not together with `target_width` or `target_height`."},
    "target_width": {"description": f"Exact width in pixels; {OTHER_SIDE}"},
    "target_height": {"description": f"Exact height in pixels; {OTHER_SIDE}"},
    "fit": {"description": "How the picture fills a size with another aspect ratio. Needs both targets."},
    "output_format": {
        "description": "The default is the format of the original; BMP and still GIF become PNG."
    },
    "quality": {"description": "Quality of JPEG and WebP."},
    "model": {
        "description": "A model from `GET /api/models`. `auto` chooses one; the answer says which, and why."
    },
    "metadata": {"description": "`keep` copies EXIF data to the result, including the location of a photo."},
    "name": {"description": "A label for the batch."},
}
NEW_VALUE_RULES: dict[tuple[str, str], Json] = {
    ("email", "name"): {"format": "email", "maxLength": 255},
    ("password", "password_confirmation"): {
        "description": "At least 8 characters, with upper case, lower case and a digit.",
        "minLength": 8,
        "maxLength": 1024,
    },
}
"""Rules for new values, by field and a second field of the same body.

A body with both fields sets a new value. In other bodies the value is only compared with the stored one.
"""
WARNINGS: Json = {
    "type": "array",
    "description": "Fields of the request that had no effect. Absent if there are none.",
    "items": {
        "type": "object",
        "properties": {
            "field": {"type": "string"},
            "message": {"type": "string", "description": "For a person."},
        },
        "required": ["field", "message"],
    },
}
PROBLEM: Json = {
    "type": "object",
    "description": "The body of every refusal.",
    "properties": {
        "success": {"type": "boolean", "const": False},
        "message": {"type": "string", "description": "For a person."},
        "errors": {
            "type": "object",
            "description": "The invalid fields, and what is wrong with each.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
        "code": {"type": "string", "description": "For programs. It never changes.", "pattern": "^[a-z_]+$"},
        "request_id": {"type": "string"},
    },
    "required": ["success", "message", "code", "request_id"],
}


def model_name(schema: Json) -> str:
    return str(schema["$ref"]).removeprefix(REFERENCE)


def constant_or_enum(texts: Sequence[str]) -> Json:
    return {"type": "string"} | ({"const": texts[0]} if len(texts) == 1 else {"enum": list(texts)})


def simplify(node: Any) -> Any:
    """Return the schema without titles that repeat names, with `null` as one of the types, and with integer
    limits as integers.
    """
    if isinstance(node, list):
        return [simplify(one) for one in node]
    if not isinstance(node, dict):
        return node
    found: Json = {
        key: simplify(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))
    }
    for keyword, limit in (("ge", "minimum"), ("le", "maximum")):  # pydantic writes these beside validators
        if keyword in found and "type" in found:
            found[limit] = found.pop(keyword)
        if isinstance(found.get(limit), float):
            found[limit] = int(found[limit])
    if "$ref" in found:
        found["$ref"] = REFERENCE + PLAIN_NAMES.get(model_name(found), model_name(found))
    match found.get("anyOf"):
        case [{"type": str(kind)} as main, {"type": "null"}]:
            del found["anyOf"]
            found = main | {"type": [kind, "null"]} | found
        case _:
            pass
    return found


def parameter_schema(parameter: Json) -> Json:
    """Return the schema of a parameter. A value in an address is never null."""
    if parameter["in"] == "path" and parameter["name"].endswith("_id"):
        return ID
    return _not_null(parameter["schema"])


def body_schema(schema: Json, media_type: str) -> Json:
    """Return the schema of a body. Only in JSON, optional fields may be null."""
    properties: Json = {}
    for name, field_schema in schema["properties"].items():
        rules = {key: value for key, value in field_schema.items() if key != "default" or value}
        if media_type == "multipart/form-data":
            properties[name] = rules | FORM_FIELDS.get(name, {})
            continue
        may_be_null = media_type == "application/json" and name not in schema.get("required", ())
        properties[name] = (_or_null(rules) if may_be_null else _not_null(rules)) | BODY_FIELDS.get(name, {})
        for (field, beside), more in NEW_VALUE_RULES.items():
            if name == field and beside in schema["properties"]:
                properties[name] |= more
    return schema | {"properties": properties}


def _or_null(schema: Json) -> Json:
    return schema | {"type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else schema


def _not_null(schema: Json) -> Json:
    return schema | {"type": schema["type"][0]} if isinstance(schema.get("type"), list) else schema


def file_fields(schema: Json) -> list[str]:
    """Return the fields of a form that are files, or lists of files."""
    return [
        name for name, one in schema["properties"].items() if one.get("items", one).get("format") == "binary"
    ]


def answer_schemas(models: Json) -> Json:
    """Return the schemas of all models, by readable name."""
    found: Json = {}
    for model, schema in models.items():
        properties = {
            name: _field_schema(name, field_schema)
            for name, field_schema in schema.get("properties", {}).items()
        }
        found[PLAIN_NAMES.get(model, model)] = schema | {"properties": properties}
    return found | {"Problem": PROBLEM}


def _field_schema(name: str, field_schema: Json) -> Json:
    return next(
        (field_schema | more for names, more in ANSWER_FIELDS.items() if re.fullmatch(names, name)),
        field_schema,
    )


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
