"""Builds the API's description, OpenAPI 3.1, with every status and code.

Most refusals of an operation follow from its route's access, parameters and body.
"""

import copy
import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from gateway.http.error_answers import NOT_FOUND_BY_PARAMETER
from gateway.http.errors import BODY_TOO_LARGE, MALFORMED_BODY, UNSUPPORTED_ENCODING
from gateway.identity.access import Access, access_by_route
from gateway.openapi import examples, refusal_answers, schemas
from gateway.openapi.api_texts import DESCRIPTION, TAGS
from gateway.openapi.event_schema import EVENT, EVENT_STREAM, EVENT_TYPE
from gateway.openapi.headers import HEADERS, headers_of_answer, headers_of_repeat, headers_of_wait
from gateway.openapi.operation import Body, Operation, operation_of
from gateway.openapi.schema_parts import REFERENCE, refer_to_choices
from imagefile.formats import READABLE, media_type
from loupe import refusals
from loupe.refusals import Refusal

Json = dict[str, Any]
Route = tuple[str, str]
"""Method and path."""
REFUSALS_OF_EVERY_ROUTE = (
    refusals.TOO_MANY_REQUESTS,
    refusals.INTERNAL_ERROR,
    refusals.SERVICE_UNAVAILABLE,
    refusals.DATABASE_UNAVAILABLE,
    refusals.BROKER_UNAVAILABLE,
    refusals.OBJECT_STORE_UNAVAILABLE,
    refusals.DEADLINE_EXCEEDED,
)
OPERATORS_PATH = "/api/admin/"
"""Routes below it have a description of their own: see `gateway.routes.admin`."""
IMAGE_TYPES = ", ".join(media_type(name) for name in READABLE)
TOKEN_SCHEME: Json = {
    "type": "http",
    "scheme": "bearer",
    "description": "The text of an API token. The scopes of an operation are the abilities that it needs.",
}
FILE_EXAMPLES = {
    "application/zip": "PK…",
    "text/csv": "id,file,reference,original_filename,status\r\n101,photo1.jpg,,photo1.jpg,completed\r\n",
}
"""Examples of files, by their media type."""
EXAMPLE_FIELD = "status"
"""The field that is invalid in the examples of operations without a body."""


def describe_api(app: FastAPI, url: str) -> Json:
    """Return the document, which is built only once. `url` is the public address of the API, or empty."""
    if app.openapi_schema is None:
        app.openapi_schema = _build_document(app, url)
    return app.openapi_schema


def _build_document(app: FastAPI, url: str) -> Json:
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    document["paths"] = {
        path: methods for path, methods in document["paths"].items() if not path.startswith(OPERATORS_PATH)
    }
    components = document["components"]
    components["schemas"] = schemas.used_models(document["paths"], components["schemas"])
    named: Json = {}
    models = refer_to_choices(schemas.simplify(document["components"]["schemas"]), named)
    paths = refer_to_choices(schemas.simplify(document["paths"]), named)
    refer_to_choices([refusal_answers.ERROR_CODE, EVENT_TYPE], named)
    named |= schemas.answer_schemas(models) | copy.deepcopy(refusal_answers.SCHEMAS)
    access, operations = access_by_route(app), _operation_by_route(app)
    for path, methods in paths.items():
        for method, described_by_fastapi in methods.items():
            route = (method.upper(), path)
            if route in operations:
                _complete(described_by_fastapi, route, operations, access.get(route), named)
    for name, schema in named.items():
        if name.endswith(("Envelope", "Page")) or name == "Message":
            schema["properties"]["warnings"] = copy.deepcopy(refusal_answers.WARNINGS)
    schemas.add_examples(named)
    used = {tag for methods in paths.values() for operation in methods.values() for tag in operation["tags"]}
    return {
        "openapi": document["openapi"],
        "info": document["info"] | {"license": {"name": "Apache 2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": url or "/", "description": "This installation."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": TOKEN_SCHEME},
            "headers": HEADERS,
            "schemas": schemas.used_models(paths, named),
        },
    }


def _operation_by_route(app: FastAPI) -> dict[tuple[str, str], Operation]:
    return {
        (method, str(route.path_format)): operation
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if (operation := operation_of(getattr(route, "endpoint", None)))
    }


def _complete(
    target: Json, route: Route, operations: Mapping[Route, Operation], access: Access | None, named: Json
) -> None:
    """Add to FastAPI's description of a route what its operation and `access` say about it.

    The body's schema is added to those in `named`.
    """
    path, operation = route[1], operations[route]
    target["operationId"] = operation.id
    target["summary"] = operation.summary
    target["description"] = operation.description
    for parameter in target.get("parameters", ()):
        schemas.describe_parameter(parameter, operation.id)
    field = EXAMPLE_FIELD
    if operation.body:
        target["requestBody"] = _request_body(operation.body, named)
    if operation.body and operation.other_body:
        other = _request_body(operation.other_body, named)
        target["requestBody"]["content"] |= other["content"]
        field = next(iter(named[operation.body.name]["properties"])).removesuffix("[]")
    status, answer = next(iter(target["responses"].items()))
    target["responses"] = {
        status: _success_answer(answer, path, operation, named, takes_key=operation.takes_key),
        **_answers_after_waiting(target["responses"], path, operation, operations, named),
        **refusal_answers.refusal_answers(path, field, _refusals_of(target, operation, access)),
    }
    target["security"] = [{"token": list(access.abilities)}] if access else []
    if operation.token_is_optional:
        target["security"] = [{}, {"token": []}]


def _request_body(body: Body, named: Json) -> Json:
    """Return the description of a body, and add its schema to those in `named`."""
    for name, given in {**body.parts, body.name: body.schema}.items():
        with_choices = refer_to_choices(schemas.simplify(given), named)
        named[name] = schemas.body_schema(name, with_choices, body.media_type)
    schema = named[body.name]
    content: Json = {"schema": {"$ref": REFERENCE + body.name}}
    if body.example:
        content["example"] = body.example
    if files := schemas.file_fields(schema):
        content["encoding"] = {name: {"contentType": IMAGE_TYPES} for name in files}
    return {
        "description": schema["description"],
        "content": {body.media_type: content},
        "required": "required" in schema,
    }


def _success_answer(
    answer: Json, path: str, operation: Operation, named: Json, *, takes_key: bool = False
) -> Json:
    if EVENT_STREAM in answer["content"]:
        return _event_stream(path, operation, named)
    if operation.file_type:
        return _file(path, operation)
    reference = answer["content"]["application/json"]["schema"]
    messages = [operation.message, *operation.other_messages]
    example = {"success": True, "message": operation.message, "data": operation.example_data} | examples.PAGE
    envelope = named[schemas.model_name(reference)]
    envelope["properties"]["message"].setdefault("examples", []).extend(messages)
    content = {"schema": reference, "example": {name: example[name] for name in envelope["required"]}}
    return {
        "description": f"The message is {' or '.join(f'`{message}`' for message in messages)}.",
        "headers": headers_of_answer(path)
        | (headers_of_wait() if operation.may_wait else {})
        | (headers_of_repeat() if takes_key else {}),
        "content": {"application/json": content},
        "x-messages": messages,
        **({"links": _link_objects(operation)} if operation.links else {}),
    }


def _answers_after_waiting(
    responses: Json, path: str, operation: Operation, operations: Mapping[Route, Operation], named: Json
) -> Json:
    """Return the success of an operation that waited until what it made has ended."""
    if not operation.waits_for:
        return {}
    [read] = [one for one in operations.values() if one.id == operation.waits_for]
    return {"200": _success_answer(responses["200"], path, read, named, takes_key=operation.takes_key)}


def _event_stream(path: str, operation: Operation, named: Json) -> Json:
    """Return the description of server-sent events. OpenAPI 3.1 has no schema for the single event."""
    named["Event"] = EVENT
    example = json.dumps(operation.example_data, separators=(",", ":"))
    lines = f"id: 1767225600000000-17\nevent: {operation.example_data['type']}\ndata: {example}\n\n"
    return {
        "description": "Events, each with an object `Event` as its data, until the connection is closed.",
        "headers": headers_of_answer(path),
        "content": {EVENT_STREAM: {"schema": {"type": "string"}, "example": lines}},
        "x-event-schema": {"$ref": f"{REFERENCE}Event"},
    }


def _file(path: str, operation: Operation) -> Json:
    """Return the description of an answer that is a file."""
    is_text = operation.file_type.startswith("text/")
    schema: Json = {"type": "string"} | ({} if is_text else {"format": "binary"})
    return {
        "description": "The file, as an attachment.",
        "headers": headers_of_answer(path),
        "content": {operation.file_type: {"schema": schema, "example": FILE_EXAMPLES[operation.file_type]}},
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
        if parameter["in"] == "path" and parameter["name"] in NOT_FOUND_BY_PARAMETER:
            found.append(NOT_FOUND_BY_PARAMETER[parameter["name"]])
        elif "$ref" in parameter["schema"]:
            found.append(refusals.VALIDATION_FAILED)
    if "requestBody" in target:
        found += [MALFORMED_BODY, BODY_TOO_LARGE, UNSUPPORTED_ENCODING, refusals.VALIDATION_FAILED]
    return list({refusal.code: refusal for refusal in (*found, *operation.refusals)}.values())
