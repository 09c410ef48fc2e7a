"""CORS: pages of any origin may use the API without credentials, and nothing else on this host."""

from collections.abc import AsyncGenerator

import httpx2
import pytest

from tests.gateway.harness import Harness, requests_left

EXPOSED = {
    "allow",
    "content-disposition",
    "www-authenticate",
    "idempotency-replayed",
    "preference-applied",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-request-id",
}


@pytest.fixture
async def anyone(gateway: Harness) -> AsyncGenerator[httpx2.AsyncClient]:
    async with gateway.client() as client:
        yield client


@pytest.mark.parametrize("path", ["/api/user", "/api/nothing", "/api/broken", "/openapi.json"])
async def test_another_origin_may_read_answer_and_headers(anyone: httpx2.AsyncClient, path: str) -> None:
    answer = await anyone.get(path, headers={"Origin": "https://example.com"})

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert set(exposed) == EXPOSED


async def test_a_preflight_is_answered(anyone: httpx2.AsyncClient) -> None:
    answer = await anyone.options(
        "/api/images/upscale",
        headers={
            "Origin": "https://example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-request-id",
        },
    )

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET", "HEAD"])
async def test_a_preflight_covers_any_method_and_is_not_counted(
    anyone: httpx2.AsyncClient, method: str
) -> None:
    preflight = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
    before = (await anyone.get("/api/user")).headers["ratelimit"]

    answer = await anyone.options("/api/user", headers={"Origin": "null"} | preflight)

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    assert answer.headers["access-control-allow-headers"] == "authorization"
    assert answer.headers["access-control-max-age"] == "7200"
    assert "ratelimit" not in answer.headers
    assert requests_left((await anyone.get("/api/user")).headers["ratelimit"]) == requests_left(before) - 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/photos/AB.svg", "/", "/nothing"])
async def test_other_origins_may_read_only_the_api(anyone: httpx2.AsyncClient, path: str) -> None:
    plain = await anyone.get(path, headers={"Origin": "https://example.com"})
    preflight = await anyone.options(path, headers={"Origin": "x", "Access-Control-Request-Method": "GET"})

    headers = plain.headers.keys() | preflight.headers.keys()
    assert not [name for name in headers if name.startswith("access-control")]
