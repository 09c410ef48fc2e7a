"""The refusals of an operation in the API's description: one schema, and the codes of each status."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from gateway.http import errors as http_errors
from gateway.http.errors import status_of
from gateway.openapi.headers import headers_of_refusal
from gateway.openapi.schema_parts import REFERENCE
from loupe import refusals
from loupe.refusals import Refusal
from rest.choices import a_choice

Json = dict[str, Any]
EXAMPLE_REQUEST_ID = "5f0c9e6b1d7a4c1e8f3b2a6d9c4e7f10"
EVERY_REFUSAL = {
    one.code: one
    for module in (http_errors, refusals)
    for one in vars(module).values()
    if isinstance(one, Refusal)
}
"""Every refusal that a client can get, by code."""
ERROR_CODE = a_choice(
    "ErrorCode",
    "The reason of a refusal, for programs. A code never changes its meaning; new versions may add codes.\n\n"
    + "\n".join(
        f"- `{code}`: {refusal.text.format(**refusal.example)}"
        for code, refusal in sorted(EVERY_REFUSAL.items())
    ),
    sorted(EVERY_REFUSAL),
)
FIELD_ERRORS: Json = {
    "type": "object",
    "description": "The invalid fields, by name, and what is wrong with each.",
    "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    "examples": [{"scale_factor": ["The scale factor must be between 2 and 4."]}],
}
WARNING: Json = {
    "type": "object",
    "description": "A field of the request that had no effect.",
    "properties": {
        "field": {"type": "string", "description": "The name of the field.", "examples": ["colour"]},
        "message": {
            "type": "string",
            "description": "Why it had no effect, for a person.",
            "examples": ["The colour field is unknown and was ignored."],
        },
    },
    "required": ["field", "message"],
}
WARNINGS: Json = {
    "type": "array",
    "description": "The fields of the request that had no effect. Absent if there are none.",
    "items": {"$ref": f"{REFERENCE}Warning"},
}
PROBLEM: Json = {
    "type": "object",
    "description": "The body of every refusal.",
    "properties": {
        "success": {
            "type": "boolean",
            "const": False,
            "description": "False: the request was refused, or failed.",
            "examples": [False],
        },
        "message": {
            "type": "string",
            "description": "The fault, for a person.",
            "examples": ["Validation failed"],
        },
        "errors": {
            "$ref": f"{REFERENCE}FieldErrors",
            "description": "The invalid fields. Absent if no field is at fault; always there with 422.",
        },
        "code": {
            "$ref": f"{REFERENCE}ErrorCode",
            "description": "The fault, for a program.",
            "examples": ["validation_failed"],
        },
        "request_id": {
            "type": "string",
            "description": "The id of the request, by which operators find it in their logs.",
            "examples": [EXAMPLE_REQUEST_ID],
        },
    },
    "required": ["success", "message", "code", "request_id"],
}
SCHEMAS: Json = {"Problem": PROBLEM, "FieldErrors": FIELD_ERRORS, "Warning": WARNING}


def refusal_answers(path: str, field: str, possible: Sequence[Refusal]) -> Json:
    """Return the answers of these refusals, by status. `field` can be invalid, and is the example's."""
    by_status: dict[HTTPStatus, list[Refusal]] = {}
    for refusal in possible:
        by_status.setdefault(status_of(refusal.kind, refusal.code), []).append(refusal)
    return {
        str(status.value): _refusal_answer(status, refused, field, path)
        for status, refused in sorted(by_status.items())
    }


def _refusal_answer(status: HTTPStatus, refused: Sequence[Refusal], field: str, path: str) -> Json:
    codes = [refusal.code for refusal in refused]
    *others, last = [f"`{code}`" for code in codes]
    listed = f"{', '.join(others)} or {last}" if others else last
    return {
        "description": f"{status.phrase}. The code is {listed}.",
        "headers": headers_of_refusal(status, path, codes),
        "content": {
            "application/json": {
                "schema": {"$ref": f"{REFERENCE}Problem"},
                "examples": {
                    refusal.code: {"summary": refusal.code, "value": _refusal_example(refusal, field)}
                    for refusal in refused
                },
            }
        },
        "x-error-codes": codes,
    }


def _refusal_example(refusal: Refusal, field: str) -> Json:
    example: Json = {"success": False, "message": refusal.text.format(**refusal.example)}
    if refusal == refusals.VALIDATION_FAILED:
        example["errors"] = {field: [f"The {field} field is required."]}
    elif refusal.fields:
        example["errors"] = {name: list(texts) for name, texts in refusal.fields.items()}
    return example | {"code": refusal.code, "request_id": EXAMPLE_REQUEST_ID}
