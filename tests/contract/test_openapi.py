"""The API's description: complete, valid, and true to the routes; and the page where people read it."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import jsonschema_rs
from fastapi.routing import iter_route_contexts
from schemathesis.specs.openapi.definitions import OPENAPI_31

from gateway.identity.access import access_of, anyone, public
from loupe_local.stack import Stack
from tests.contract.described import APPLICATION, DOCUMENT, OPERATIONS

Json = dict[str, Any]
ASKS_BY_ITSELF = {("POST", "/api/email/verification-notification")}
"""It heeds a token, and needs none."""


def examples(media: Json) -> list[Any]:
    single = [media["example"]] if "example" in media else []
    return single + [one["value"] for one in media.get("examples", {}).values()]


def validator(schema: Json) -> jsonschema_rs.Validator:
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": DOCUMENT["components"]}
    return jsonschema_rs.validator_for(whole | schema, validate_formats=True)


async def test_every_route_is_described_and_nothing_else() -> None:
    described = {(one.method, one.path) for one in OPERATIONS}

    routes = {
        (method, route.path_format)
        for route in iter_route_contexts(APPLICATION.routes)
        for method in route.methods or ()
        if str(route.path_format).startswith("/api/")
    }

    assert described == routes


async def test_every_route_says_who_may_call_it() -> None:
    asks = {(method, path) for method, path, _ in access_of(APPLICATION)}
    is_public = {
        (method, str(route.path_format))
        for route in iter_route_contexts(APPLICATION.routes)
        for method in route.methods or ()
        if any(
            one.call in (public, anyone)
            for one in getattr(getattr(route, "dependant", None), "dependencies", ())
        )
    }
    everything = {
        (method, str(route.path_format))
        for route in iter_route_contexts(APPLICATION.routes)
        for method in route.methods or ()
        if str(route.path_format).startswith("/api/")
    }

    assert asks | is_public | ASKS_BY_ITSELF == everything
    assert not asks & is_public


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
        for response in one.told["responses"].values():
            for media in response["content"].values():
                assert jsonschema_rs.meta.is_valid(media["schema"]), one.name


async def test_parameters_are_told_in_json_schemas_own_words() -> None:
    words = {"type", "enum", "minimum", "maximum", "default", "description"}

    for one in OPERATIONS:
        for parameter in one.told.get("parameters", ()):
            assert set(parameter["schema"]) <= words, one.name
            assert isinstance(parameter["schema"]["type"], str), one.name


async def test_every_operation_has_a_name_words_and_a_tag_that_is_explained() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}

    for one in OPERATIONS:
        name, operation = one.name, one.told
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name), f"{one.method} {one.path} is {name}"
        assert operation["summary"], name
        assert operation["description"], name
        assert set(operation["tags"]) <= tags, name
        assert operation["tags"], name
    names = [one.name for one in OPERATIONS]
    assert len(names) == len(set(names))


async def test_security_is_what_the_route_asks() -> None:
    asked = {(method, path): [{"token": list(one.abilities)}] for method, path, one in access_of(APPLICATION)}

    told = {(one.method, one.path): one.told["security"] for one in OPERATIONS}

    for operation, security in told.items():
        expected = [{}, {"token": []}] if operation in ASKS_BY_ITSELF else asked.get(operation, [])
        assert security == expected, operation


async def test_every_status_is_told_with_its_code_and_headers() -> None:
    for one in OPERATIONS:
        name, responses = one.name, one.told["responses"]
        assert "default" not in responses, name
        assert {"429", "500", "503", "504"} <= set(responses), name
        assert ("401" in responses) or not one.told["security"], name
        for status, response in responses.items():
            assert set(response["content"]) == {"application/json"}, name
            assert "X-Request-Id" in response["headers"], (name, status)
            assert ("WWW-Authenticate" in response["headers"]) == (status == "401"), (name, status)
            assert ("Retry-After" in response["headers"]) == (status in {"429", "503", "504"}), (name, status)


async def test_nothing_of_the_frameworks_own_is_in_it() -> None:
    assert not [name for name in DOCUMENT["components"]["schemas"] if "Validation" in name or "_" in name]


async def test_examples_are_what_their_schemas_say() -> None:
    for one in OPERATIONS:
        name, operation = one.name, one.told
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for example in examples(media):
                validator(media["schema"]).validate(example)
        for status, response in operation["responses"].items():
            media = response["content"]["application/json"]
            assert examples(media), (name, status)
            for example in examples(media):
                validator(media["schema"]).validate(example)


async def test_examples_have_the_order_of_the_answers() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    def in_order(schema: Json, value: Any) -> None:
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        if isinstance(value, dict) and "properties" in schema:
            assert list(value) == list(schema["properties"])
            for key, one in value.items():
                in_order(schema["properties"][key], one)
        for one in value if isinstance(value, list) else ():
            in_order(schema["items"], one)

    for one in OPERATIONS:
        media = next(iter(one.told["responses"].values()))["content"]["application/json"]
        in_order(media["schema"], media["example"])


async def test_links_lead_to_operations_that_take_the_id() -> None:
    by_name = {one.name: one.told for one in OPERATIONS}
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
    """What a browser loads for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"script": "src", "link": "href", "img": "src", "iframe": "src"}.get(tag)
        self.found += [value for name, value in attrs if name == wanted and value]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]


async def test_the_docs_load_nothing_from_elsewhere(stack: Stack) -> None:
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


async def test_the_docs_show_the_document_of_their_own_host(stack: Stack) -> None:
    async with httpx2.AsyncClient(base_url=stack.api) as client:
        start = (await client.get("/docs/start.js")).raise_for_status()
        missing = await client.get("/docs/files/nothing.js")

    assert 'url: "openapi.json"' in start.text
    assert "validatorUrl: null" in start.text
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_style_sheets_load_nothing_from_elsewhere(stack: Stack) -> None:
    async with httpx2.AsyncClient(base_url=stack.api) as client:
        style = (await client.get("/docs/files/swagger-ui.css")).raise_for_status().text

    loaded = re.findall(r"url\(([^)]*)|@import ([^;]*)", style)
    assert not [
        address for address, imported in loaded if imported or not address.strip("\"'").startswith("data:")
    ]
