"""The contract's first section, line by line: the parts of every answer. Refusals are in test_refusals.py."""

import re

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, upload_image, upscale
from tests.contract.api_client import SMALL, a_batch, data_of, invalid_fields, refusal
from tests.contract.shapes import IMAGE, TOKENS, a_page_of, check
from tests.gateway.harness import PASSWORD, People

ENDPOINTS = [
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/revoke-all"),
    ("POST", "/api/images/upscale"),
    ("GET", "/api/images"),
    ("GET", "/api/images/1"),
    ("GET", "/api/images/1/download"),
    ("DELETE", "/api/images/1"),
    ("POST", "/api/batches"),
    ("GET", "/api/batches"),
    ("GET", "/api/batches/1"),
    ("DELETE", "/api/batches/1"),
    ("GET", "/api/user"),
    ("GET", "/api/usage"),
    ("GET", "/api/subscription"),
    ("GET", "/api/user/tokens"),
    ("DELETE", "/api/user/tokens/1"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
async def test_the_eighteen_endpoints_of_the_reference_exist(
    anyone: httpx2.AsyncClient, method: str, path: str
) -> None:
    answer = await anyone.request(method, path, json={} if path.endswith(("register", "login")) else None)

    status, code, _ = refusal(answer)
    expected = {
        "/api/auth/register": (422, "validation_failed"),
        "/api/auth/login": (401, "invalid_credentials"),
    }
    assert (status, code) == expected.get(path, (401, "unauthenticated"))


async def test_every_path_begins_with_api_and_has_no_version(anyone: httpx2.AsyncClient) -> None:
    paths = (await anyone.get("/openapi.json")).json()["paths"]

    assert paths
    assert not [path for path in paths if not path.startswith("/api/") or re.search(r"/v\d", path)]


async def test_a_success_has_data_only_where_the_reference_has_it(people: People, stack: Stack) -> None:
    person = await people.new("starter")

    async with client_of(stack, person.token) as client:
        with_data = await client.get("/api/user/tokens")
        without = await client.post("/api/auth/logout")

    data_of(with_data, "API tokens retrieved successfully", TOKENS)
    data_of(without, "Logout successful")
    assert list(without.json()) == ["success", "message"]


async def test_a_list_has_meta_and_links_after_its_data(jane: httpx2.AsyncClient) -> None:
    await upload_image(jane, SMALL)

    answer = await jane.get("/api/images", params={"per_page": 2})

    check(answer.json(), a_page_of(IMAGE))


async def test_an_error_has_errors_only_for_invalid_fields(jane: httpx2.AsyncClient) -> None:
    with_fields = await upscale(jane, SMALL, scale_factor=5)
    without = await jane.get("/api/images/999999999")

    assert list(with_fields.json()) == ["success", "message", "errors", "code", "request_id"]
    assert list(without.json()) == ["success", "message", "code", "request_id"]
    assert invalid_fields(with_fields) == {"scale_factor": ["The scale factor must be between 2 and 4."]}
    assert refusal(without)[:2] == (404, "image_not_found")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", ""])
async def test_every_answer_is_the_envelope_for_any_accept_header(
    jane: httpx2.AsyncClient, accept: str
) -> None:
    missing = await jane.get("/api/nothing", headers={"Accept": accept})
    wrong = await jane.put("/api/images/1", headers={"Accept": accept})

    assert refusal(missing)[:2] == (404, "not_found")
    assert refusal(wrong)[:2] == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "DELETE, GET, HEAD"


async def test_created_is_201_queued_is_202_and_everything_else_200(stack: Stack, people: People) -> None:
    person = await people.new("professional")

    async with client_of(stack, person.token) as client:
        token = await client.post("/api/user/tokens", json={"name": "another"})
        image, batch = await upscale(client, SMALL), await a_batch(client, SMALL)
        deleted = await client.delete(f"/api/images/{image.json()['data']['id']}")

    assert [answer.status_code for answer in (token, image, batch, deleted)] == [201, 202, 202, 200]


async def test_a_percentage_is_a_float(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    await people.operator.set_quota(person.email, 2)

    async with client_of(stack, person.token) as client:
        before = await client.get("/api/usage")
        await upload_image(client, SMALL)
        after = await client.get("/api/usage")

    assert '"percentage":0.0,' in before.text
    assert '"percentage":50.0,' in after.text


async def test_any_origin_may_use_the_api_without_credentials(anyone: httpx2.AsyncClient) -> None:
    origin = {"Origin": "https://example.com"}
    preflight_headers = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }

    answer = await anyone.get("/api/images", headers=origin)
    preflight = await anyone.options("/api/images/upscale", headers=origin | preflight_headers)

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert set(answer.headers["access-control-expose-headers"].lower().split(", ")) >= {
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "ratelimit-policy",
        "ratelimit",
        "retry-after",
        "x-request-id",
    }
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"


async def test_auth_accepts_json_and_urlencoded(anyone: httpx2.AsyncClient, people: People) -> None:
    person = await people.new("starter")
    body = {"email": person.email, "password": PASSWORD}

    as_json = await anyone.post("/api/auth/login", json=body)
    urlencoded = await anyone.post("/api/auth/login", data=body)

    assert [as_json.status_code, urlencoded.status_code] == [200, 200]


async def test_a_valid_request_id_is_echoed_and_an_invalid_one_replaced(anyone: httpx2.AsyncClient) -> None:
    valid = await anyone.get("/api/user", headers={"X-Request-Id": "job-7.A"})
    invalid = await anyone.get("/api/user", headers={"X-Request-Id": "<script>"})
    missing = await anyone.get("/api/user")

    assert (valid.headers["x-request-id"], valid.json()["request_id"]) == ("job-7.A", "job-7.A")
    assert re.fullmatch(r"[0-9a-f]{32}", invalid.headers["x-request-id"])
    assert re.fullmatch(r"[0-9a-f]{32}", missing.headers["x-request-id"])
