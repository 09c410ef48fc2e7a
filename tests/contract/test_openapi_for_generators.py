"""The API's description has what generators of clients need: names, texts and examples everywhere."""

import keyword
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from gateway.http import errors as http_errors
from gateway.openapi import answer_fields, answer_objects, request_fields
from gateway.openapi.event_schema import EVENT_STREAM
from loupe import refusals
from loupe.refusals import Refusal
from tests.contract.operations import DOCUMENT, OPERATIONS

Json = dict[str, Any]
SCHEMAS: Json = DOCUMENT["components"]["schemas"]
FILES = (EVENT_STREAM, "application/zip", "text/csv")
"""The media types of answers without an envelope."""
CHOICES = {
    "Ability", "AuditActor", "AuditEvent", "BatchStage", "BatchStatus", "DeliveryStatus", "ErrorCode",
    "EventType", "Fit",
    "ImageStatus", "Metadata", "OnError", "OriginalFormat", "OutputFormat", "Precision",
    "ScaleFactor", "Side", "SubscriptionStatus", "UsageStep", "WebhookEventType",
}  # fmt: skip
PARAMETERS = [(one.name, parameter) for one in OPERATIONS for parameter in one.spec.get("parameters", ())]
TAKES_A_LINK = {"upscaleImage", "createBatch"}
"""Operations whose body is a form, or JSON with links."""
MEDIA = [
    (one.name, media_type, media)
    for one in OPERATIONS
    for part in (one.spec.get("requestBody", {}), *one.spec["responses"].values())
    for media_type, media in part.get("content", {}).items()
]


def nodes(node: Any, place: str = "") -> Iterator[tuple[str, Json]]:
    """Yield every object of the document with its place, except those within examples."""
    if isinstance(node, dict):
        yield place, node
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from nodes(value, f"{place}/{key}")
    for number, one in enumerate(node if isinstance(node, list) else ()):
        yield from nodes(one, f"{place}/{number}")


def properties() -> Iterator[tuple[str, Json]]:
    for place, node in nodes(DOCUMENT):
        if place.endswith("/properties"):
            yield from ((f"{place}/{name}", schema) for name, schema in node.items())


def validator(schema: Json) -> jsonschema_rs.Validator:
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": DOCUMENT["components"]}
    return jsonschema_rs.validator_for(whole | schema, validate_formats=True)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_says_what_it_is(name: str) -> None:
    assert SCHEMAS[name]["description"]


def test_every_property_has_a_description_and_a_valid_example() -> None:
    found = dict(properties())

    assert len(found) > 150
    for place, schema in found.items():
        assert schema.get("description"), place
        assert schema.get("examples"), place
        for example in schema["examples"]:
            assert validator(schema).is_valid(example), (place, example)


def test_every_choice_has_a_valid_example() -> None:
    for name in CHOICES:
        assert {*SCHEMAS[name]["examples"]} <= {*SCHEMAS[name]["enum"]}, name


def test_every_parameter_has_a_description_and_a_valid_example() -> None:
    for operation, parameter in PARAMETERS:
        assert parameter.get("description"), (operation, parameter["name"])
        assert validator(parameter["schema"]).is_valid(parameter["example"]), (operation, parameter["name"])


def test_every_header_has_a_description_and_a_valid_example() -> None:
    for name, header in DOCUMENT["components"]["headers"].items():
        assert header.get("description"), name
        assert validator(header["schema"]).is_valid(header["example"]), name
    for one in OPERATIONS:
        for answer in one.spec["responses"].values():
            assert all("$ref" in header for header in answer["headers"].values()), one.name


def test_every_body_and_answer_has_a_description() -> None:
    for one in OPERATIONS:
        assert all(answer["description"] for answer in one.spec["responses"].values()), one.name
        assert one.spec.get("requestBody", {"description": "none"})["description"], one.name


def test_no_text_describes_something_that_is_gone() -> None:
    fields = {(place.split("/")[-3], place.split("/")[-1]) for place, _ in properties()}
    names = {name for _, name in fields} | {f"{owner}.{name}" for owner, name in fields}

    assert {*answer_fields.FIELDS} | {*request_fields.FIELDS} <= names
    assert {*answer_objects.OBJECTS} | {*request_fields.BODIES} <= {*SCHEMAS}
    described = {name.rpartition(".")[2] for name in request_fields.PARAMETERS}
    assert described == {parameter["name"] for _, parameter in PARAMETERS}


def test_each_body_and_answer_is_one_named_schema() -> None:
    for operation, media_type, media in MEDIA:
        if media_type in FILES:  # OpenAPI 3.1 has no schema for a single event, or for what is in a file
            assert media["schema"]["type"] == "string"
        else:
            assert {*media["schema"]} == {"$ref"}, (operation, media_type)
    for one in OPERATIONS:
        for part in one.spec["responses"].values():
            assert len(part["content"]) == 1, one.name
        if body := one.spec.get("requestBody"):
            assert len(body["content"]) == (2 if one.name in TAKES_A_LINK else 1), one.name


def test_uploads_are_forms_or_links_and_all_other_bodies_are_json() -> None:
    forms = {operation for operation, media_type, _ in MEDIA if media_type == "multipart/form-data"}

    assert forms == {"upscaleImage", "createBatch"}
    assert {media_type for _, media_type, _ in MEDIA} == {
        "application/json",
        "multipart/form-data",
        *FILES,
    }


def test_nothing_within_a_schema_lacks_a_name() -> None:
    """Objects and choices stand among the components only, and nothing is merged from several schemas."""
    for place, node in nodes(DOCUMENT):
        is_component = re.fullmatch(r"/components/schemas/\w+", place)
        assert "allOf" not in node, place
        assert "oneOf" not in node, place
        assert is_component or "enum" not in node, place
        assert is_component or "properties" not in node or place.endswith("/properties"), place
    assert {name for name, schema in SCHEMAS.items() if "enum" in schema} == CHOICES


def test_null_is_a_type_or_the_other_of_two_choices() -> None:
    for place, node in nodes(DOCUMENT):
        for one in node.get("anyOf", ())[:1]:
            assert "$ref" in one, place
            assert node["anyOf"][1:] == [{"type": "null"}], place
        assert "nullable" not in node, place


def test_names_can_be_names_of_modules_types_and_methods() -> None:
    operations = [one.name for one in OPERATIONS]
    modules = [re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in (*SCHEMAS, *operations)]

    assert all(re.fullmatch(r"([A-Z][a-z]+)+", name) for name in SCHEMAS)
    assert len({*modules}) == len(modules)
    assert not [name for name in modules if keyword.iskeyword(name)]
    assert {name.lower() for name in SCHEMAS}.isdisjoint(name.lower() for name in operations)


def test_each_refusal_is_a_problem_and_names_its_codes() -> None:
    for one in OPERATIONS:
        for status, answer in one.spec["responses"].items():
            if status < "400":
                continue
            media = answer["content"]["application/json"]
            assert media["schema"] == {"$ref": "#/components/schemas/Problem"}, (one.name, status)
            assert [*media["examples"]] == answer["x-error-codes"], (one.name, status)
            assert {*answer["x-error-codes"]} <= {*SCHEMAS["ErrorCode"]["enum"]}, (one.name, status)
            for code in answer["x-error-codes"]:
                assert f"`{code}`" in answer["description"], (one.name, status)


def test_the_codes_are_those_of_all_refusals() -> None:
    named = {
        one.code
        for module in (refusals, http_errors)
        for one in vars(module).values()
        if isinstance(one, Refusal)
    }

    assert {*SCHEMAS["ErrorCode"]["enum"]} == named
    for code in named:
        assert f"- `{code}`: " in SCHEMAS["ErrorCode"]["description"]


def test_the_scheme_of_access_is_a_bearer_token() -> None:
    [scheme] = DOCUMENT["components"]["securitySchemes"].values()

    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert scheme["description"]
    assert all(server["description"] for server in DOCUMENT["servers"])
