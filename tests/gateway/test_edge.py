"""The middleware around the routes: request ids, headers, the envelope, and the API's description."""

import json
import re
from collections.abc import AsyncGenerator

import httpx2
import pytest

from tests.gateway.harness import Harness, People, requests_left
from tests.gateway.raw_http import connect

ROUTES = {
    ("post", "/api/auth/register"),
    ("post", "/api/auth/login"),
    ("post", "/api/auth/logout"),
    ("post", "/api/auth/revoke-all"),
    ("get", "/api/email/verify/{signed}"),
    ("get", "/api/user"),
    ("get", "/api/usage"),
    ("get", "/api/subscription"),
    ("get", "/api/user/tokens"),
    ("delete", "/api/user/tokens/{token_id}"),
    ("post", "/api/images/upscale"),
    ("get", "/api/images"),
    ("get", "/api/images/{image_id}"),
    ("get", "/api/images/{image_id}/download"),
    ("delete", "/api/images/{image_id}"),
}


@pytest.fixture
async def anyone(gateway: Harness) -> AsyncGenerator[httpx2.AsyncClient]:
    async with gateway.client() as client:
        yield client


@pytest.mark.parametrize("sent", ["abc", "A-1_2.3", "x" * 128, "0"])
async def test_a_valid_request_id_is_echoed(anyone: httpx2.AsyncClient, sent: str) -> None:
    answer = await anyone.get("/api/user", headers={"X-Request-Id": sent})

    assert answer.headers.get_list("x-request-id") == [sent]
    assert answer.json()["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a;b", "<script>", "ä", "a\tb", '"', "../x"])
async def test_an_invalid_request_id_is_replaced(anyone: httpx2.AsyncClient, sent: str) -> None:
    answer = await anyone.get("/api/user", headers={b"X-Request-Id": sent.encode()})

    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_each_request_has_its_own_id(anyone: httpx2.AsyncClient) -> None:
    answers = [await anyone.get(path) for path in ("/healthz", "/openapi.json", "/api/user", "/api/user")]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 4


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/photos/AB.svg", "/openapi.json", "/nothing"])
async def test_only_the_api_is_limited(anyone: httpx2.AsyncClient, path: str) -> None:
    answer = await anyone.get(path)

    assert "ratelimit" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api", 404),
        ("GET", "/api/nothing", 404),
        ("POST", "/api/images/1/nothing", 404),
        ("PUT", "/api/images", 405),
        ("OPTIONS", "/api/images", 405),
        ("GET", "/api/user", 401),
        ("GET", "/api/images/abc", 401),
        ("GET", "/api/broken", 500),
        ("POST", "/api/auth/login", 401),
        ("POST", "/api/auth/register", 422),
        ("GET", "/api/email/verify/nonsense", 403),
        ("POST", "/api/email/verification-notification", 202),
    ],
)
async def test_every_answer_of_the_api_has_the_limit_headers(
    anyone: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await anyone.request(method, path, json={"email": "a@example.com", "password": "x"})

    assert answer.status_code == status
    assert re.fullmatch(r'"hour";q=\d+;w=3600', answer.headers["ratelimit-policy"])
    assert re.fullmatch(r'"hour";r=\d+;t=\d+', answer.headers["ratelimit"])


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/nothing"), ("PUT", "/api/images")])
async def test_requests_without_a_route_count_against_their_caller(
    gateway: Harness, people: People, anyone: httpx2.AsyncClient, method: str, path: str
) -> None:
    person = await people.new("starter")
    async with gateway.client(person.token) as client:
        mine = [(await client.request(method, path)).headers for _ in range(3)]
    theirs = [(await anyone.request(method, path)).headers["ratelimit"] for _ in range(2)]

    assert [requests_left(headers["ratelimit"]) for headers in mine] == [499, 498, 497]
    assert requests_left(theirs[0]) - requests_left(theirs[1]) == 1
    assert ("x-ratelimit-limit" in mine[0]) == (path == "/api/images")


@pytest.mark.parametrize(
    "path", ["/api/user", "/api/nothing", "/api/broken", "/api/images/1", "/healthz", "/openapi.json"]
)
async def test_head_is_get_without_the_body(anyone: httpx2.AsyncClient, path: str) -> None:
    names = ("content-type", "content-length", "ratelimit-policy", "www-authenticate")

    full, head = await anyone.get(path), await anyone.head(path)

    assert full.content
    assert (head.status_code, head.content) == (full.status_code, b"")
    assert [head.headers.get(name) for name in names] == [full.headers.get(name) for name in names]


async def test_head_needs_a_route_for_get(anyone: httpx2.AsyncClient) -> None:
    answer = await anyone.head("/api/auth/login")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_head_of_a_stream_ends(gateway: Harness) -> None:
    async with connect(gateway.url) as connection:
        await connection.send(b"HEAD /api/endless HTTP/1.1\r\nHost: here\r\n\r\n")
        head = await connection.answer(has_body=False)
        await connection.send(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        after = await connection.answer()

    assert (head.status, after.status, after.body) == (200, 200, b"ok")


async def test_links_have_the_host_of_the_target(gateway: Harness, people: People) -> None:
    person = await people.new("starter")
    async with connect(gateway.url) as connection:
        bearer = f"Authorization: Bearer {person.token}\r\n\r\n"
        await connection.send(f"GET http://localhost:81/api/user HTTP/1.1\r\nHost: here\r\n{bearer}".encode())
        answer = await connection.answer()

    assert answer.json["data"]["profile_photo_url"].startswith("http://localhost:81/photos/")


async def test_no_answer_names_the_server(anyone: httpx2.AsyncClient) -> None:
    answers = [await anyone.get(path) for path in ("/healthz", "/api/nothing", "/api/broken", "/docs")]

    assert not [answer for answer in answers if "server" in answer.headers]
    assert all("date" in answer.headers for answer in answers)


async def test_an_unexpected_error_is_answered_in_the_envelope_without_details(
    anyone: httpx2.AsyncClient,
) -> None:
    answer = await anyone.get("/api/broken", headers={"X-Request-Id": "mine"})

    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "mine"
    assert answer.json() == {
        "success": False,
        "message": "Something went wrong on our end. Try again later.",
        "code": "internal_error",
        "request_id": "mine",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("PATCH", "/api/images", 405, "method_not_allowed"),
        ("GET", "/api/auth/login", 405, "method_not_allowed"),
        ("OPTIONS", "/api/images", 405, "method_not_allowed"),
        ("GET", "/api/images", 401, "unauthenticated"),
        ("DELETE", "/api/images/abc", 401, "unauthenticated"),
        ("GET", "/api/email/verify/nonsense", 403, None),
        ("GET", "/api/user/", 404, "not_found"),
    ],
)
async def test_every_error_has_the_envelope(
    anyone: httpx2.AsyncClient, method: str, path: str, status: int, code: str | None
) -> None:
    answer = await anyone.request(method, path, headers={"Accept": "text/html"})

    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert (body["success"], body["request_id"]) == (False, answer.headers["x-request-id"])
    assert list(body) in (
        ["success", "message", "code", "request_id"],
        ["success", "message", "errors", "code", "request_id"],
    )
    assert answer.status_code == status
    assert code is None or body["code"] == code


async def test_a_405_lists_the_allowed_methods(anyone: httpx2.AsyncClient) -> None:
    images = await anyone.put("/api/images/1")
    login = await anyone.get("/api/auth/login")
    uploads = [await anyone.request(method, "/api/images/upscale") for method in ("GET", "DELETE", "PUT")]

    assert images.headers["allow"] == "DELETE, GET, HEAD"
    assert {(one.status_code, one.headers["allow"]) for one in uploads} == {(405, "POST")}
    assert login.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b'"x"'),
        ("application/json", b"\xff\xfe"),
        ("application/json", b"[" * 20_000),
        ("", b"email=x"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(200))),
        ("application/x-www-form-urlencoded", b"email=\xff"),
    ],
)
async def test_an_invalid_small_body_is_malformed(
    anyone: httpx2.AsyncClient, content_type: str, body: bytes
) -> None:
    answer = await anyone.post("/api/auth/login", content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


async def test_a_small_body_over_its_limit_is_too_large(anyone: httpx2.AsyncClient) -> None:
    answer = await anyone.post("/api/auth/login", content=json.dumps({"email": "x" * 70_000}))

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("value", [1, True, ["x"], {"a": "b"}])
async def test_a_field_that_is_not_a_string_is_named(anyone: httpx2.AsyncClient, value: object) -> None:
    answer = await anyone.post("/api/auth/login", json={"email": value, "password": "x"})

    assert (answer.status_code, answer.json()["errors"]) == (422, {"email": ["The email must be a string."]})


async def test_the_api_describes_itself(anyone: httpx2.AsyncClient) -> None:
    described = (await anyone.get("/openapi.json")).raise_for_status().json()

    operations = {(method, path) for path, methods in described["paths"].items() for method in methods} - {
        ("get", "/api/broken")
    }
    assert described["openapi"].startswith("3.1.")
    assert operations >= ROUTES
    assert described["info"]["title"] == "Loupe"


async def test_every_reference_in_the_description_exists(anyone: httpx2.AsyncClient) -> None:
    text = (await anyone.get("/openapi.json")).text
    described = json.loads(text)

    references = set(re.findall(r'"\$ref":\s*"#/([^"]+)"', text))

    assert references
    for reference in references:
        found = described
        for name in reference.split("/"):
            found = found[name]
    ids = [one["operationId"] for methods in described["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))


async def test_probes_answer_without_a_token(anyone: httpx2.AsyncClient) -> None:
    alive, ready = await anyone.get("/healthz"), await anyone.get("/readyz")

    assert (alive.status_code, alive.text) == (200, "ok")
    assert (ready.status_code, ready.text) == (200, "ok")
