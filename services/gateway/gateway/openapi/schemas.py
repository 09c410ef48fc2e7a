"""JSON Schema of requests and answers. Adds what the models do not say, by the names of fields."""

import re
from collections.abc import Sequence
from typing import Any

from loupe.contract import ABILITIES, SCALE_FACTORS

Json = dict[str, Any]
REFERENCE = "#/components/schemas/"
ID = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
PLAIN_NAMES = {"Batch_BatchImage_": "Batch", "Batch_AcceptedBatchImage_": "AcceptedBatch"}
"""Readable names of generic models."""
IN_ANSWERS: Json = {
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
IN_BODIES: Json = {
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
TARGET = "without the other side, the aspect ratio is kept. Not together with `scale_factor`."
IN_FORMS: Json = {
    "scale_factor": {"description": "Not together with `target_width` or `target_height`."},
    "target_width": {"description": f"Exact width in pixels; {TARGET}"},
    "target_height": {"description": f"Exact height in pixels; {TARGET}"},
    "fit": {"description": "How the picture fills a target size with another aspect ratio."},
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
NEW_VALUES: dict[tuple[str, str], Json] = {
    ("email", "name"): {"format": "email", "maxLength": 255},
    ("password", "password_confirmation"): {
        "description": "At least 8 characters, with upper case, lower case and a digit.",
        "minLength": 8,
        "maxLength": 1024,
    },
}
"""Rules for a field that apply only beside another field. Elsewhere its value is only compared."""
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


def name_of(schema: Json) -> str:
    return str(schema["$ref"]).removeprefix(REFERENCE)


def one_of(texts: Sequence[str]) -> Json:
    return {"type": "string"} | ({"const": texts[0]} if len(texts) == 1 else {"enum": list(texts)})


def tidied(node: Any) -> Any:
    """Return the schema without titles that repeat names, with `null` as one of the types, and with integer
    limits as integers.
    """
    if isinstance(node, list):
        return [tidied(one) for one in node]
    if not isinstance(node, dict):
        return node
    found: Json = {
        key: tidied(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))
    }
    for keyword, limit in (("ge", "minimum"), ("le", "maximum")):  # pydantic writes these beside validators
        if keyword in found and "type" in found:
            found[limit] = found.pop(keyword)
        if isinstance(found.get(limit), float):
            found[limit] = int(found[limit])
    if "$ref" in found:
        found["$ref"] = REFERENCE + PLAIN_NAMES.get(name_of(found), name_of(found))
    match found.get("anyOf"):
        case [{"type": str(kind)} as main, {"type": "null"}]:
            del found["anyOf"]
            found = main | {"type": [kind, "null"]} | found
        case _:
            pass
    return found


def of_parameter(parameter: Json) -> Json:
    """Return the schema of a parameter. A value in an address is never null."""
    if parameter["in"] == "path" and parameter["name"].endswith("_id"):
        return ID
    return _not_null(parameter["schema"])


def of_body(schema: Json, media_type: str) -> Json:
    """Return the schema of a body. Only in JSON, optional fields may be null."""
    properties: Json = {}
    for name, given in schema["properties"].items():
        rules = {key: value for key, value in given.items() if key != "default" or value}
        if media_type == "multipart/form-data":
            properties[name] = rules | IN_FORMS.get(name, {})
            continue
        may_be_null = media_type == "application/json" and name not in schema.get("required", ())
        properties[name] = (_or_null(rules) if may_be_null else _not_null(rules)) | IN_BODIES.get(name, {})
        for (field, beside), more in NEW_VALUES.items():
            if name == field and beside in schema["properties"]:
                properties[name] |= more
    return schema | {"properties": properties}


def _or_null(schema: Json) -> Json:
    return schema | {"type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else schema


def _not_null(schema: Json) -> Json:
    return schema | {"type": schema["type"][0]} if isinstance(schema.get("type"), list) else schema


def files_of(schema: Json) -> list[str]:
    """Return the fields of a form that are files, or lists of files."""
    return [
        name for name, one in schema["properties"].items() if one.get("items", one).get("format") == "binary"
    ]


def of_answers(models: Json) -> Json:
    """Return the schemas of all models, by readable name."""
    found: Json = {}
    for model, schema in models.items():
        properties = {name: _of_field(name, given) for name, given in schema.get("properties", {}).items()}
        found[PLAIN_NAMES.get(model, model)] = schema | {"properties": properties}
    return found | {"Problem": PROBLEM}


def _of_field(name: str, given: Json) -> Json:
    return next((given | more for names, more in IN_ANSWERS.items() if re.fullmatch(names, name)), given)


def used_in(paths: Json, models: Json) -> Json:
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
    own = {name_of(node)} if str(node.get("$ref", "")).startswith(REFERENCE) else set[str]()
    return own | {name for one in node.values() for name in _references(one)}
