"""The API's description: complete, valid, and in agreement with the routes; and the page at /docs."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import jsonschema_rs
from fastapi.routing import iter_route_contexts
from schemathesis.specs.openapi.definitions import OPENAPI_31

from gateway.identity.access import access_by_route, limit_by_address, limit_by_caller_or_address
from gateway.openapi.document import OPERATORS_PATH
from loupe_local.stack import Stack
from tests.contract.operations import APPLICATION, DOCUMENT, OPERATIONS

Json = dict[str, Any]
MAY_WAIT = {"upscaleImage", "createBatch", "retryImage", "retryBatch", "getImage", "getBatch"}
TOKEN_IS_OPTIONAL = {("POST", "/api/email/verification-notification")}
"""Routes that check a token themselves if there is one."""
TAKES_KEY = {"upscaleImage", "createBatch", "createUpload", "retryImage", "retryBatch"}
"""The operations that a client can repeat with an idempotency key."""

JSON = "application/json"
OTHER_TYPES = {
    "followEvents": "text/event-stream",
    "getBatchArchive": "application/zip",
    "getBatchReport": "text/csv",
}
"""The media types of answers that have no envelope, by operation."""


def examples(media: Json) -> list[Any]:
    single = [media["example"]] if "example" in media else []
    return single + [one["value"] for one in media.get("examples", {}).values()]


def validator(schema: Json) -> jsonschema_rs.Validator:
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": DOCUMENT["components"]}
    return jsonschema_rs.validator_for(whole | schema, validate_formats=True)


def resolved(schema: Json) -> Json:
    """Return the schema that this one refers to, or else itself."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["schemas"][name] if name else schema


async def test_every_route_is_described_and_nothing_else() -> None:
    described = {(one.method, one.path) for one in OPERATIONS}

    routes = {
        (method, route.path_format)
        for route in iter_route_contexts(APPLICATION.routes)
        for method in route.methods or ()
        if str(route.path_format).startswith("/api/")
        and not str(route.path_format).startswith(OPERATORS_PATH)  # these have a description of their own
    }

    assert described == routes


async def test_every_route_declares_its_access() -> None:
    needs_token = {*access_by_route(APPLICATION)}
    is_public = {
        (method, str(route.path_format))
        for route in iter_route_contexts(APPLICATION.routes)
        for method in route.methods or ()
        if str(route.path_format).startswith(("/api/", "/console/session"))
        and any(
            one.call in (limit_by_address, limit_by_caller_or_address)
            for one in getattr(getattr(route, "dependant", None), "dependencies", ())
        )
    }
    everything = {
        (method, str(route.path_format))
        for route in iter_route_contexts(APPLICATION.routes)
        for method in route.methods or ()
        if str(route.path_format).startswith(("/api/", "/console/session"))
    }

    assert needs_token | is_public | TOKEN_IS_OPTIONAL == everything
    assert not needs_token & is_public


async def test_the_document_is_openapi_3_1() -> None:
    metaschema = jsonschema_rs.validator_for(OPENAPI_31)

    metaschema.validate(DOCUMENT)

    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"
    assert DOCUMENT["servers"]


async def test_every_schema_is_json_schema() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    for one in OPERATIONS:
        for response in one.spec["responses"].values():
            for media in response["content"].values():
                assert jsonschema_rs.meta.is_valid(media["schema"]), one.name


async def test_parameters_use_only_keywords_of_json_schema() -> None:
    keywords = {"type", "minimum", "maximum", "default", "minLength", "maxLength", "pattern"}

    for one in OPERATIONS:
        for parameter in one.spec.get("parameters", ()):
            assert {*parameter["schema"]} <= keywords or {*parameter["schema"]} == {"$ref"}, one.name
            assert isinstance(resolved(parameter["schema"])["type"], str), one.name


async def test_every_operation_has_a_name_texts_and_a_described_tag() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}

    for one in OPERATIONS:
        name, operation = one.name, one.spec
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name), f"{one.method} {one.path} is {name}"
        assert operation["summary"], name
        assert operation["description"], name
        assert set(operation["tags"]) <= tags, name
        assert operation["tags"], name
    names = [one.name for one in OPERATIONS]
    assert len(names) == len(set(names))


async def test_security_is_the_access_of_the_route() -> None:
    needed = {
        route: [{"token": list(access.abilities)}] for route, access in access_by_route(APPLICATION).items()
    }

    described = {(one.method, one.path): one.spec["security"] for one in OPERATIONS}

    for operation, security in described.items():
        expected = [{}, {"token": []}] if operation in TOKEN_IS_OPTIONAL else needed.get(operation, [])
        assert security == expected, operation


async def test_every_status_has_its_headers() -> None:
    for one in OPERATIONS:
        name, responses = one.name, one.spec["responses"]
        assert "default" not in responses, name
        assert {"429", "500", "503", "504"} <= set(responses), name
        assert ("401" in responses) or not one.spec["security"], name
        for status, response in responses.items():
            expected = OTHER_TYPES.get(name, JSON) if status == "200" else JSON
            assert set(response["content"]) == {expected}, name
            assert "X-Request-Id" in response["headers"], (name, status)
            assert ("WWW-Authenticate" in response["headers"]) == (status == "401"), (name, status)
            is_unfinished = name in MAY_WAIT and status in {"200", "202"}
            is_temporary = {"429", "503", "504"} | ({"409"} if name in TAKES_KEY else set[str]())
            has_retry = is_unfinished or status in is_temporary
            assert ("Retry-After" in response["headers"]) == has_retry, (name, status)


async def test_operations_that_can_be_repeated_show_the_key_and_what_comes_of_it() -> None:
    found = {
        one.name
        for one in OPERATIONS
        if "Idempotency-Key" in [parameter["name"] for parameter in one.spec.get("parameters", ())]
    }

    assert found == TAKES_KEY
    for one in OPERATIONS:
        responses = one.spec["responses"]
        codes = {code for response in responses.values() for code in response.get("x-error-codes", ())}
        keys = {"idempotency_key_invalid", "idempotency_key_in_use", "idempotency_key_reused"}
        assert keys & codes == (keys if one.name in found else set()), one.name
        for status, response in responses.items():
            is_shown = "Idempotency-Replayed" in response["headers"]
            assert is_shown == (one.name in found and status in {"200", "201", "202"}), (one.name, status)


async def test_no_schema_comes_from_the_framework() -> None:
    assert not [name for name in DOCUMENT["components"]["schemas"] if "Validation" in name or "_" in name]


async def test_examples_match_their_schemas() -> None:
    for one in OPERATIONS:
        name, operation = one.name, one.spec
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for example in examples(media):
                validator(media["schema"]).validate(example)
        for status, response in operation["responses"].items():
            [media] = response["content"].values()
            assert examples(media), (name, status)
            for example in examples(media):
                validator(media["schema"]).validate(example)


async def test_examples_have_the_key_order_of_the_answers() -> None:
    def in_order(schema: Json, value: Any) -> None:
        schema = resolved(schema)
        if isinstance(value, dict) and "properties" in schema:
            is_envelope = "success" in schema["properties"]
            left_out = {"warnings"} if is_envelope else set[str]()
            assert list(value) == [key for key in schema["properties"] if key not in left_out]
            for key, one in value.items():
                in_order(schema["properties"][key], one)
        for one in value if isinstance(value, list) else ():
            in_order(schema["items"], one)

    for one in OPERATIONS:
        [media] = next(iter(one.spec["responses"].values()))["content"].values()
        in_order(media["schema"], media["example"])


async def test_links_lead_to_operations_that_take_the_id() -> None:
    by_name = {one.name: one.spec for one in OPERATIONS}
    links = [
        (link, response["content"]["application/json"]["example"])
        for operation in by_name.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]

    assert {link["operationId"] for link, _ in links} >= {"getImage", "downloadImage", "getBatch"}
    for link, example in links:
        for parameter, expression in link["parameters"].items():
            assert parameter in [one["name"] for one in by_name[link["operationId"]]["parameters"]]
            found = example
            for name in expression.removeprefix("$response.body#/").split("/"):
                found = found[name]
            assert isinstance(found, int)


async def test_the_document_is_served(stack: Stack) -> None:
    async with httpx2.AsyncClient(base_url=stack.api) as client:
        served = (await client.get("/openapi.json")).raise_for_status().json()

    assert {name: served[name] for name in served if name != "servers"} == {
        name: DOCUMENT[name] for name in DOCUMENT if name != "servers"
    }


class Assets(HTMLParser):
    """Finds what a browser loads for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"script": "src", "link": "href", "img": "src", "iframe": "src"}.get(tag)
        self.found += [value for name, value in attrs if name == wanted and value]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]


async def test_the_docs_page_loads_nothing_from_other_hosts(stack: Stack) -> None:
    async with httpx2.AsyncClient(base_url=stack.api) as client:
        page = await client.get("/docs")
        assets = Assets()
        assets.feed(page.raise_for_status().text)
        wanted = [asset for asset in assets.found if not asset.startswith("data:")]
        answers = [await client.get(urljoin("/docs", asset)) for asset in wanted]

    policy = page.headers["content-security-policy"]
    assert len(wanted) == 3
    assert not [asset for asset in wanted if urlsplit(asset).netloc]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "http" not in policy
    assert "unsafe" not in policy


async def test_the_docs_page_shows_the_description_of_its_own_host(stack: Stack) -> None:
    async with httpx2.AsyncClient(base_url=stack.api) as client:
        start = (await client.get("/docs/start.js")).raise_for_status()
        missing = await client.get("/docs/files/nothing.js")

    assert 'url: "openapi.json"' in start.text
    assert "validatorUrl: null" in start.text
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_style_sheets_load_nothing_from_other_hosts(stack: Stack) -> None:
    async with httpx2.AsyncClient(base_url=stack.api) as client:
        style = (await client.get("/docs/files/swagger-ui.css")).raise_for_status().text

    loaded = re.findall(r"url\(([^)]*)|@import ([^;]*)", style)
    assert not [
        address for address, imported in loaded if imported or not address.strip("\"'").startswith("data:")
    ]
