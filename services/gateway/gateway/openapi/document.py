"""The API as OpenAPI 3.1, with each status and code: what a route may answer follows from what it asks of its
caller, from its parameters and from its body.
"""

import copy
from collections import defaultdict
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.identity.access import Access, access_of
from gateway.openapi import examples, schemas
from gateway.openapi.api_texts import DESCRIPTION, MESSAGES, TAGS
from gateway.openapi.operations import OPERATIONS, UNKNOWN, Operation
from imagefile.formats import READABLE, media_type

Json = dict[str, Any]
Codes = defaultdict[int, list[str]]
HEADERS: Json = {
    "X-Request-Id": {
        "description": "Names this request in logs and traces: what the client sent, or else made here.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
    "RateLimit": {
        "description": "What is left of the hourly limit (`r`), and the seconds until it starts anew (`t`).",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[a-z]+";r=[0-9]+;t=[0-9]+$'},
        "example": '"hour";r=499;t=3540',
    },
    "RateLimit-Policy": {
        "description": "The hourly limit: `q` requests in `w` seconds.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[a-z]+";q=[0-9]+;w=[0-9]+$'},
        "example": '"hour";q=500;w=3600',
    },
    "X-RateLimit-Limit": {
        "description": "Your plan's monthly image quota; absent where it is unlimited.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-RateLimit-Remaining": {
        "description": "Remaining image uploads this month, after this request; absent where unlimited.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
}
ALWAYS = {
    429: ["too_many_requests"],
    500: ["internal_error"],
    503: ["service_unavailable", "database_unavailable", "broker_unavailable", "object_store_unavailable"],
    504: ["deadline_exceeded"],
}
FORMATS = ", ".join(media_type(name) for name in READABLE)
WAITS = (429, 503, 504)
ANSWERED = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}


def described(app: FastAPI, url: str) -> Json:
    """The document, made once. `url` is where clients reach the API; empty: where they found this."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app, url)
    return app.openapi_schema


def _document(app: FastAPI, url: str) -> Json:
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    known = schemas.tidied(document["components"]["schemas"])
    paths = schemas.tidied(document["paths"])
    asked = {(method, path): access for method, path, access in access_of(app)}
    for path, operations in paths.items():
        for method, operation in operations.items():
            told = OPERATIONS.get(f"{method.upper()} {path}", UNKNOWN)
            _describe(operation, path, asked.get((method.upper(), path)), told, known)
    used = {tag for operations in paths.values() for one in operations.values() for tag in one["tags"]}
    return {
        "openapi": document["openapi"],
        "info": document["info"] | {"license": {"name": "Apache 2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": url or "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "headers": HEADERS,
            "schemas": schemas.used_in(paths, schemas.of_answers(known)),
        },
    }


def _describe(operation: Json, path: str, access: Access | None, told: Operation, known: Json) -> None:
    operation["operationId"] = told.id or operation["operationId"]
    operation["summary"] = told.summary or operation["summary"]
    if told.about:
        operation["description"] = told.about
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = schemas.of_parameter(parameter)
    body = operation.get("requestBody", {"content": {}})
    for kind, content in body["content"].items():
        content["schema"] = schemas.of_question(content["schema"], kind)
        if files := schemas.files_of(content["schema"]):
            content["encoding"] = {name: {"contentType": FORMATS} for name in files}
        body["required"] = bool(content["schema"].get("required"))
        if told.sent:
            content["example"] = told.sent
    headers = _headers(path)
    status, answer = next(iter(operation["responses"].items()))
    operation["responses"] = {
        status: _success(answer, told, known, headers),
        **{str(status): one for status, one in sorted(_refused(operation, access, told, headers).items())},
    }
    operation["security"] = [{"token": list(access.abilities)}] if access else []
    if told.may_be_anyone:
        operation["security"] = [{}, {"token": []}]


def _headers(path: str) -> Json:
    about_images = path.startswith(("/api/images", "/api/batches"))
    names = ["X-Request-Id", "RateLimit-Policy", "RateLimit"]
    names += ["X-RateLimit-Limit", "X-RateLimit-Remaining"] if about_images else []
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _success(answer: Json, told: Operation, known: Json, headers: Json) -> Json:
    if not told.id:
        return answer | {"headers": headers}
    shape = copy.deepcopy(known[schemas.name_of(answer["content"]["application/json"]["schema"])])
    texts = [told.message] if isinstance(told.message, str) else list(told.message)
    properties = shape["properties"]
    properties["success"] = {"type": "boolean", "const": True}
    properties["message"] = schemas.one_of(texts)
    example = {"success": True, "message": texts[0], "data": told.data} | examples.PAGE
    content = {
        "schema": shape | {"required": list(properties)},
        "example": {name: example[name] for name in properties},
    }
    return {
        "description": "Done",
        "headers": headers,
        "content": {"application/json": content},
        **({"links": _links(told)} if told.leads_to else {}),
    }


def _links(told: Operation) -> Json:
    parameters = {told.leads_by: f"$response.body#{told.new_id}"}
    return {other: {"operationId": other, "parameters": parameters} for other in told.leads_to}


def _refused(operation: Json, access: Access | None, told: Operation, headers: Json) -> dict[int, Json]:
    codes = _codes(operation, access)
    if told.may_be_anyone:
        codes[401] = ["unauthenticated"]
    for status, more in told.refusals.items():
        codes[status] += [code for code in more if code not in codes[status]]
    field = _field_of(operation)
    return {status: _problem(status, found, field, headers) for status, found in codes.items()}


def _codes(operation: Json, access: Access | None) -> Codes:
    """The refusals that follow from what an operation asks, in the order of the checks."""
    codes: Codes = defaultdict(list, {status: list(found) for status, found in ALWAYS.items()})
    if access:
        codes[401] = ["unauthenticated"]
        forbidden = [
            (access.verified, "email_unverified"),
            (access.creates, "subscription_expired"),
            (access.creates, "no_api_access"),
            (access.feature, "plan_feature_missing"),
            (access.abilities, "missing_ability"),
            (access.creates, "quota_exceeded"),
        ]
        if found := [code for is_asked, code in forbidden if is_asked]:
            codes[403] = found
    for parameter in operation.get("parameters", ()):
        if parameter["name"].endswith("_id"):
            noun = parameter["name"].removesuffix("_id")
            codes[404] = [f"{noun}_not_found"]
        elif "enum" in parameter["schema"]:
            codes[422] = ["validation_failed"]
    if "requestBody" in operation:
        codes |= {400: ["malformed_body"], 413: ["body_too_large"], 422: ["validation_failed"]}
    return codes


def _field_of(operation: Json) -> str:
    """One that can be at fault, for the example."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        return next(iter(content["schema"]["properties"])).removesuffix("[]")
    return "status"


def _problem(status: int, codes: list[str], field: str, headers: Json) -> Json:
    more = {401: ["WWW-Authenticate"]}.get(status, ["Retry-After"] if status in WAITS else [])
    own = {name: {"$ref": f"#/components/headers/{name}"} for name in more}
    has_fields = status == HTTPStatus.UNPROCESSABLE_ENTITY
    narrowed: Json = {"properties": {"code": schemas.one_of(codes)}}
    if has_fields:
        narrowed["required"] = ["errors"]
    shown = {code: {"value": _example(code, field)} for code in codes}
    return {
        "description": HTTPStatus(status).phrase,
        "headers": (headers if status < HTTPStatus.INTERNAL_SERVER_ERROR else ANSWERED) | own,
        "content": {
            "application/json": {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]},
                "examples": shown,
            }
        },
    }


def _example(code: str, field: str) -> Json:
    said: Json = {"success": False, "message": MESSAGES.get(code, "Service temporarily unavailable.")}
    if code == "validation_failed":
        said["errors"] = {field: [f"The {field} field is required."]}
    if code == "invalid_credentials":
        said["errors"] = {"email": ["The provided credentials are incorrect."]}
    return said | {"code": code, "request_id": "5f0c9e6b1d7a4c1e8f3b2a6d9c4e7f10"}
