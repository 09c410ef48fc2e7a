"""The comparison of two OpenAPI documents: what breaks a client is found, and what does not is not."""

import copy
from typing import Any

import pytest

from tests.openapi.breaks import Json, breaks


def an_object(*names: str) -> Json:
    return {"type": "object", "properties": {name: {"type": "integer"} for name in names}}


DOCUMENT: Json = {
    "paths": {
        "/images": {
            "post": {
                "security": [{"token": ["images:write"]}],
                "parameters": [
                    {"in": "query", "name": "wait", "schema": {"type": "integer", "maximum": 120}}
                ],
                "requestBody": {"content": {"json": {"schema": {"$ref": "#/components/schemas/Upload"}}}},
                "responses": {
                    "202": {
                        "headers": {"Location": {}},
                        "content": {"json": {"schema": {"$ref": "#/components/schemas/Image"}}},
                    },
                    "422": {"content": {"json": {"schema": {"type": "object"}}}},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Upload": {
                "type": "object",
                "required": ["url"],
                "properties": {
                    "url": {"type": "string", "maxLength": 9},
                    "model": {"enum": ["a", "b"]},
                    "size": {"anyOf": [an_object("side"), an_object("area")]},
                },
            },
            "Image": {
                "type": "object",
                "required": ["id", "tags"],
                "properties": {
                    "id": {"type": "integer"},
                    "tags": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                    "result": {"oneOf": [an_object("link"), an_object("failure")]},
                },
            },
        }
    },
}
POST = ("paths", "/images", "post")
UPLOAD, IMAGE = (("components", "schemas", name) for name in ("Upload", "Image"))
GONE: Any = object()


def changed(place: tuple[str | int, ...], value: Any) -> Json:
    """Return the document with another value, or without it, at this place."""
    document = copy.deepcopy(DOCUMENT)
    inner: Any = document
    for name in place[:-1]:
        inner = inner[name]
    if value is GONE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (POST, GONE, "POST /images is gone"),
        ((*POST, "parameters"), [], "POST /images, query parameter wait is gone"),
        ((*POST, "parameters", 0, "required"), True, "POST /images, query parameter wait is required"),
        (
            (*POST, "parameters", 0, "schema", "maximum"),
            60,
            "POST /images, query parameter wait: maximum is 60",
        ),
        ((*POST, "security"), [{"token": ["all"]}], "POST /images needs the ability all"),
        ((*POST, "requestBody", "content"), {}, "POST /images, body: the media type json is gone"),
        ((*POST, "requestBody", "required"), True, "POST /images, body is required"),
        ((*POST, "responses", "202"), GONE, "POST /images does not answer 202"),
        ((*POST, "responses", "202", "headers"), {}, "POST /images, answer 202: the header Location is gone"),
        ((*UPLOAD, "required"), ["url", "model"], "POST /images, body: model is required"),
        ((*UPLOAD, "properties", "url"), GONE, "POST /images, body: url is gone"),
        ((*UPLOAD, "properties", "url", "type"), "integer", "POST /images, body, url does not take string"),
        ((*UPLOAD, "properties", "url", "minLength"), 1, "POST /images, body, url: minLength is 1"),
        ((*UPLOAD, "properties", "url", "pattern"), "x", "POST /images, body, url: the pattern is x"),
        ((*UPLOAD, "properties", "url", "enum"), ["x"], "POST /images, body, url takes a few values only"),
        ((*UPLOAD, "properties", "model", "enum"), ["a"], "POST /images, body, model does not take 'b'"),
        ((*IMAGE, "properties", "id"), GONE, "POST /images, answer 202: id is gone"),
        ((*IMAGE, "required"), ["tags"], "POST /images, answer 202: id is not always there"),
        (
            (*IMAGE, "properties", "id", "type"),
            ["integer", "null"],
            "POST /images, answer 202, id may be null",
        ),
        (
            (*IMAGE, "properties", "tags", "items", "anyOf", 0, "type"),
            "integer",
            "POST /images, answer 202, tags may be integer",
        ),
        (
            (*UPLOAD, "properties", "size", "anyOf", 0, "properties"),
            {},
            "POST /images, body, size: side is gone",
        ),
        (
            (*UPLOAD, "properties", "size", "anyOf", 1, "properties", "area", "maximum"),
            9,
            "POST /images, body, size, area: maximum is 9",
        ),
        (
            (*IMAGE, "properties", "result", "oneOf", 0),
            an_object("href"),
            "POST /images, answer 202, result: link is gone",
        ),
    ],
)
def test_what_breaks_a_client_is_found(place: tuple[str | int, ...], value: Any, sentence: str) -> None:
    assert breaks(DOCUMENT, changed(place, value)) == [sentence]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("paths", "/new"), {"get": {"responses": {}}}),
        ((*POST, "parameters", 0, "schema", "maximum"), 600),
        ((*POST, "responses", "409"), {}),
        ((*POST, "security"), []),
        ((*UPLOAD, "required"), []),
        ((*UPLOAD, "properties", "url", "type"), ["string", "null"]),
        ((*UPLOAD, "properties", "url", "maxLength"), GONE),
        ((*UPLOAD, "properties", "model", "enum"), ["a", "b", "c"]),
        ((*UPLOAD, "properties", "model"), {"maxLength": 64}),
        ((*IMAGE, "properties", "name"), {"type": "string"}),
        ((*IMAGE, "properties", "tags", "items"), {"type": "string"}),
        ((*UPLOAD, "properties", "size", "anyOf"), [an_object("area"), an_object("side"), an_object("x")]),
        ((*UPLOAD, "properties", "size"), an_object("side", "area")),
        ((*IMAGE, "properties", "result", "oneOf"), [an_object("failure", "code"), an_object("link")]),
        ((*IMAGE, "properties", "result"), an_object("failure")),
    ],
)
def test_an_addition_breaks_nothing(place: tuple[str | int, ...], value: Any) -> None:
    assert breaks(DOCUMENT, changed(place, value)) == []
