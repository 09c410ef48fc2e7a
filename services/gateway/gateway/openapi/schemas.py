"""JSON Schema of questions and answers: what the models leave unsaid, told by the names of fields."""

import re
from collections.abc import Sequence
from typing import Any

from gateway.identity.access import ABILITIES
from gateway.routes import batches, images

Json = dict[str, Any]
REFERENCE = "#/components/schemas/"
ID = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
NAMES = {"Batch_BatchImage_": "Batch", "Batch_AcceptedBatchImage_": "AcceptedBatch"}
"""Of generic models, as people would call them."""
IN_ANSWERS: Json = {
    r".*_at|period_start": {"format": "date-time"},
    r".*_url|first|last|prev|next": {"format": "uri"},
    r"scale_factor": {"enum": [2, 3, 4, None]},
    r"scales": {"items": {"type": "integer", "enum": [2, 3, 4]}},
    r"abilities": {"items": {"type": "string", "enum": [*ABILITIES]}},
    r"progress": {"minimum": 0, "maximum": 100},
    r"queue_position": {"minimum": 1, "description": "One for the next to be started; null once it is."},
    r"estimated_seconds": {
        "minimum": 1,
        "description": "Until the result; null once it has ended, or where nothing is known yet.",
    },
}
STATUSES = {
    "Subscription": ["active", "trialing", "canceled", "past_due"],
    "Batch": [*batches.STATUSES],
    "Image": [*images.STATUSES],
}
"""By the end of a schema's name."""
IN_QUESTIONS: Json = {
    "name": {"minLength": 1, "maxLength": 255},
    "password": {"format": "password"},
    "password_confirmation": {"description": "The same again.", "format": "password"},
    "current_password": {"format": "password"},
    "device_name": {"description": "Label of the token; the user agent unless told."},
    "token": {"description": "The text behind the `#` of the mailed link."},
    "abilities": {
        "description": "All of them unless told.",
        "items": {"type": "string", "enum": [*ABILITIES]},
        "uniqueItems": True,
    },
    "expires_at": {"description": "An instant of RFC 3339 in the future; never unless told."},
}
TARGET = "left out, the aspect ratio is kept. Not together with `scale_factor`."
IN_FORMS: Json = {
    "scale_factor": {"description": "Not together with `target_width` or `target_height`."},
    "target_width": {"description": f"Exact width in pixels; {TARGET}"},
    "target_height": {"description": f"Exact height in pixels; {TARGET}"},
    "fit": {"description": "How the picture fills two targets of another aspect ratio."},
    "output_format": {"description": "That of the original unless told; BMP and still GIF become PNG."},
    "quality": {"description": "Of JPEG and WebP."},
    "model": {"description": "One that `GET /api/models` lists. `auto` tells which it chose, and why."},
    "metadata": {"description": "`keep` passes EXIF data on, the place of a photo with it."},
    "name": {"description": "A label for the batch."},
}
SET_ANEW: dict[tuple[str, str], Json] = {
    ("email", "name"): {"format": "email", "maxLength": 255},
    ("password", "password_confirmation"): {
        "description": "At least 8 characters: upper and lower case, and a digit.",
        "minLength": 8,
        "maxLength": 1024,
    },
}
"""Rules for a field that hold where another stands beside it; elsewhere it is only compared."""
PROBLEM: Json = {
    "type": "object",
    "description": "Every refusal.",
    "properties": {
        "success": {"type": "boolean", "const": False},
        "message": {"type": "string", "description": "For a person."},
        "errors": {
            "type": "object",
            "description": "The fields at fault, and what is wrong with them.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
        "code": {"type": "string", "description": "For a program; stable.", "pattern": "^[a-z_]+$"},
        "request_id": {"type": "string"},
    },
    "required": ["success", "message", "code", "request_id"],
}


def name_of(schema: Json) -> str:
    return str(schema["$ref"]).removeprefix(REFERENCE)


def one_of(texts: Sequence[str]) -> Json:
    return {"type": "string"} | ({"const": texts[0]} if len(texts) == 1 else {"enum": list(texts)})


def tidied(node: Any) -> Any:
    """Without the titles that repeat names, `null` as one of the types, whole limits as integers."""
    if isinstance(node, list):
        return [tidied(one) for one in node]
    if not isinstance(node, dict):
        return node
    found: Json = {
        key: tidied(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))
    }
    for keyword, limit in (("ge", "minimum"), ("le", "maximum")):  # pydantic, of what it reads by a function
        if keyword in found and "type" in found:
            found[limit] = found.pop(keyword)
        if isinstance(found.get(limit), float):
            found[limit] = int(found[limit])
    if "$ref" in found:
        found["$ref"] = REFERENCE + NAMES.get(name_of(found), name_of(found))
    match found.get("anyOf"):
        case [{"type": str(kind)} as main, {"type": "null"}]:
            del found["anyOf"]
            found = main | {"type": [kind, "null"]} | found
        case _:
            pass
    return found


def of_parameter(parameter: Json) -> Json:
    """What is written in an address is never null."""
    if parameter["in"] == "path" and parameter["name"].endswith("_id"):
        return ID
    return _not_null(parameter["schema"])


def of_question(schema: Json, kind: str) -> Json:
    """A body's. What need not be sent may be null in JSON, and only there."""
    properties: Json = {}
    for name, given in schema["properties"].items():
        kept = {key: value for key, value in given.items() if key != "default" or value}
        if kind == "multipart/form-data":
            properties[name] = kept | IN_FORMS.get(name, {})
            continue
        is_json = kind == "application/json" and name not in schema.get("required", ())
        properties[name] = (_or_null(kept) if is_json else _not_null(kept)) | IN_QUESTIONS.get(name, {})
        for (field, beside), rules in SET_ANEW.items():
            if name == field and beside in schema["properties"]:
                properties[name] |= rules
    return schema | {"properties": properties}


def _or_null(schema: Json) -> Json:
    return schema | {"type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else schema


def _not_null(schema: Json) -> Json:
    return schema | {"type": schema["type"][0]} if isinstance(schema.get("type"), list) else schema


def files_of(schema: Json) -> list[str]:
    """Fields of a form that are files, or lists of files."""
    return [
        name for name, one in schema["properties"].items() if one.get("items", one).get("format") == "binary"
    ]


def of_answers(known: Json) -> Json:
    """All models by their names."""
    found: Json = {}
    for model, schema in known.items():
        name = NAMES.get(model, model)
        properties = {key: _told(name, key, given) for key, given in schema.get("properties", {}).items()}
        found[name] = schema | {"properties": properties}
    return found | {"Problem": PROBLEM}


def _told(model: str, name: str, given: Json) -> Json:
    for ending, statuses in STATUSES.items():
        if name == "status" and model.endswith(ending):
            return given | {"enum": statuses}
    return next((given | more for names, more in IN_ANSWERS.items() if re.fullmatch(names, name)), given)


def used_in(paths: Json, known: Json) -> Json:
    """The models that the paths lead to."""
    found: set[str] = set()
    new = _references(paths)
    while new:
        found |= new
        new = {other for name in new for other in _references(known[name])} - found
    return {name: known[name] for name in sorted(found)}


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for one in node for name in _references(one)}
    if not isinstance(node, dict):
        return set()
    own = {name_of(node)} if str(node.get("$ref", "")).startswith(REFERENCE) else set[str]()
    return own | {name for one in node.values() for name in _references(one)}
