"""Builds the API's description, OpenAPI 3.1, with every status and code.

Most refusals of an operation follow from its route's access, parameters and body.
"""

import copy
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from gateway.http.error_answers import NOT_FOUND_BY_PARAMETER
from gateway.http.errors import BODY_TOO_LARGE, MALFORMED_BODY, status_of
from gateway.identity.access import Access, access_by_route
from gateway.openapi import examples, schemas
from gateway.openapi.api_texts import DESCRIPTION, TAGS
from gateway.openapi.headers import HEADERS, headers_of_answer, headers_of_refusal
from gateway.openapi.operation import Operation, operation_of
from imagefile.formats import READABLE, media_type
from loupe import refusals
from loupe.refusals import Refusal

Json = dict[str, Any]
REFUSALS_OF_EVERY_ROUTE = (
    refusals.TOO_MANY_REQUESTS,
    refusals.INTERNAL_ERROR,
    refusals.SERVICE_UNAVAILABLE,
    refusals.DATABASE_UNAVAILABLE,
    refusals.BROKER_UNAVAILABLE,
    refusals.OBJECT_STORE_UNAVAILABLE,
    refusals.DEADLINE_EXCEEDED,
)
IMAGE_TYPES = ", ".join(media_type(name) for name in READABLE)
EXAMPLE_REQUEST_ID = "5f0c9e6b1d7a4c1e8f3b2a6d9c4e7f10"


def describe_api(app: FastAPI, url: str) -> Json:
    """Return the document, which is built only once. `url` is the public address of the API, or empty."""
    if app.openapi_schema is None:
        app.openapi_schema = _build_document(app, url)
    return app.openapi_schema


def _build_document(app: FastAPI, url: str) -> Json:
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    models = schemas.simplify(document["components"]["schemas"])
    paths = schemas.simplify(document["paths"])
    access, operations = access_by_route(app), _operation_by_route(app)
    for path, methods in paths.items():
        for method, described_by_fastapi in methods.items():
            route = (method.upper(), path)
            if route in operations:
                _complete(described_by_fastapi, path, operations[route], access.get(route), models)
    used = {tag for methods in paths.values() for operation in methods.values() for tag in operation["tags"]}
    return {
        "openapi": document["openapi"],
        "info": document["info"] | {"license": {"name": "Apache 2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": url or "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "headers": HEADERS,
            "schemas": schemas.used_models(paths, schemas.answer_schemas(models)),
        },
    }


def _operation_by_route(app: FastAPI) -> dict[tuple[str, str], Operation]:
    return {
        (method, str(route.path_format)): operation
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if (operation := operation_of(getattr(route, "endpoint", None)))
    }


def _complete(target: Json, path: str, operation: Operation, access: Access | None, models: Json) -> None:
    """Add to FastAPI's description of a route what `operation` and `access` say about it."""
    target["operationId"] = operation.id
    target["summary"] = operation.summary
    target["description"] = operation.description
    for parameter in target.get("parameters", ()):
        parameter["schema"] = schemas.parameter_schema(parameter)
    if operation.body:
        target["requestBody"] = _request_body(operation.body)
    status, answer = next(iter(target["responses"].items()))
    target["responses"] = {
        status: _success_answer(answer, path, operation, models),
        **_refusal_answers(target, path, _refusals_of(target, operation, access)),
    }
    target["security"] = [{"token": list(access.abilities)}] if access else []
    if operation.token_is_optional:
        target["security"] = [{}, {"token": []}]


def _request_body(given: Json) -> Json:
    body = schemas.simplify(given)
    for content_type, content in body["content"].items():
        content["schema"] = schemas.body_schema(content["schema"], content_type)
        if files := schemas.file_fields(content["schema"]):
            content["encoding"] = {name: {"contentType": IMAGE_TYPES} for name in files}
        body["required"] = bool(content["schema"].get("required"))
    return body


def _success_answer(answer: Json, path: str, operation: Operation, models: Json) -> Json:
    shape = copy.deepcopy(models[schemas.model_name(answer["content"]["application/json"]["schema"])])
    properties = shape["properties"]
    properties["success"] = {"type": "boolean", "const": True}
    properties["message"] = schemas.constant_or_enum([operation.message, *operation.other_messages])
    example = {"success": True, "message": operation.message, "data": operation.example_data} | examples.PAGE
    content = {
        "schema": shape
        | {"properties": properties | {"warnings": schemas.WARNINGS}, "required": list(properties)},
        "example": {name: example[name] for name in properties},
    }
    return {
        "description": "Done",
        "headers": headers_of_answer(path),
        "content": {"application/json": content},
        **({"links": _link_objects(operation)} if operation.links else {}),
    }


def _link_objects(operation: Operation) -> Json:
    links = operation.links
    if links is None:
        return {}
    parameters = {links.parameter: f"$response.body#{links.new_id}"}
    return {other: {"operationId": other, "parameters": parameters} for other in links.operations}


def _refusals_of(target: Json, operation: Operation, access: Access | None) -> list[Refusal]:
    """Return all refusals of an operation, in the order of the checks."""
    found = [*REFUSALS_OF_EVERY_ROUTE, *(access.refusals if access else ())]
    if operation.token_is_optional:
        found.append(refusals.UNAUTHENTICATED)
    for parameter in target.get("parameters", ()):
        if parameter["name"] in NOT_FOUND_BY_PARAMETER:
            found.append(NOT_FOUND_BY_PARAMETER[parameter["name"]])
        elif "enum" in parameter["schema"]:
            found.append(refusals.VALIDATION_FAILED)
    if "requestBody" in target:
        found += [MALFORMED_BODY, BODY_TOO_LARGE, refusals.VALIDATION_FAILED]
    return list({refusal.code: refusal for refusal in (*found, *operation.refusals)}.values())


def _refusal_answers(target: Json, path: str, possible: Sequence[Refusal]) -> Json:
    """Return the answers of these refusals, by status."""
    by_status: dict[HTTPStatus, list[Refusal]] = {}
    for refusal in possible:
        by_status.setdefault(status_of(refusal.kind, refusal.code), []).append(refusal)
    field = _example_field(target)
    return {
        str(status.value): _refusal_answer(status, refused, field, path)
        for status, refused in sorted(by_status.items())
    }


def _example_field(target: Json) -> str:
    """Return a field that can be invalid, for the example."""
    for content in target.get("requestBody", {}).get("content", {}).values():
        return next(iter(content["schema"]["properties"])).removesuffix("[]")
    return "status"


def _refusal_answer(status: HTTPStatus, refused: Sequence[Refusal], field: str, path: str) -> Json:
    narrowed: Json = {"properties": {"code": schemas.constant_or_enum([refusal.code for refusal in refused])}}
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        narrowed["required"] = ["errors"]
    return {
        "description": status.phrase,
        "headers": headers_of_refusal(status, path),
        "content": {
            "application/json": {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]},
                "examples": {
                    refusal.code: {"value": _refusal_example(refusal, field)} for refusal in refused
                },
            }
        },
    }


def _refusal_example(refusal: Refusal, field: str) -> Json:
    example: Json = {"success": False, "message": refusal.text.format(**refusal.example)}
    if refusal == refusals.VALIDATION_FAILED:
        example["errors"] = {field: [f"The {field} field is required."]}
    elif refusal.fields:
        example["errors"] = {name: list(texts) for name, texts in refusal.fields.items()}
    return example | {"code": refusal.code, "request_id": EXAMPLE_REQUEST_ID}
