"""Headers that every answer has, and addresses in answers that no client can choose."""

import httpx2
import pytest
from pydantic import ValidationError

from tests.gateway.harness import Harness, People, gateway_on, settings_without_services
from tests.gateway.raw_http import connect


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/user"),
        ("GET", "/api/nothing"),
        ("GET", "/openapi.json"),
        ("GET", "/healthz"),
        ("POST", "/api/auth/login"),
        ("DELETE", "/api/user"),
        ("HEAD", "/api/models"),
        ("OPTIONS", "/api/models"),
        ("GET", "/api/broken"),
    ],
)
async def test_no_answer_is_stored_or_has_its_type_guessed(gateway: Harness, method: str, path: str) -> None:
    async with gateway.client() as client:
        answer = await client.request(method, path, headers={"Origin": "https://elsewhere.example"})

    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


async def test_an_answer_that_says_how_it_is_stored_keeps_that(gateway: Harness) -> None:
    async with gateway.client() as client:
        start, photo = await client.get("/"), await client.get("/photos/AB.svg")

    assert start.headers.get_list("cache-control") == ["max-age=300"]
    assert photo.headers.get_list("cache-control") == ["public, max-age=86400"]
    assert start.headers.get_list("x-content-type-options") == ["nosniff"]
    assert photo.headers.get_list("x-content-type-options") == ["nosniff"]


async def test_a_refusal_of_the_connection_has_the_headers_too(gateway: Harness) -> None:
    async with connect(gateway.url) as connection:
        await connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        answer = await connection.answer()

    assert answer.status == 400
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == (
        "no-store",
        "nosniff",
    )


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"],
)
async def test_a_forged_host_reaches_no_link(gateway: Harness, people: People, host: str) -> None:
    person = await people.new()

    async with gateway.client(person.token, Host=host) as client:
        page, user = await client.get("/api/images"), await client.get("/api/user")

    assert page.status_code == user.status_code == 200
    assert "evil" not in page.text + user.text
    assert "10.0.0.1" not in page.text + user.text


async def test_a_forged_host_in_the_target_reaches_no_link(gateway: Harness, people: People) -> None:
    person = await people.new()
    async with connect(gateway.url) as connection:
        head = (
            f"GET http://evil.example/api/images HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}"
        )
        await connection.send(head.encode() + b"\r\n\r\n")
        answer = await connection.answer()

    assert answer.status == 200
    assert "evil" not in str(answer.json)


async def test_the_public_address_wins_over_the_host(people: People, gateway: Harness) -> None:
    person = await people.new()
    settings = gateway.backend.settings.model_copy(update={"public_url": "https://loupe.example.com/"})

    async with gateway_on(settings) as published, published.client(person.token) as client:
        page: httpx2.Response = await client.get("/api/images")

    assert page.json()["links"]["first"].startswith("https://loupe.example.com/api/images?page=1")


@pytest.mark.parametrize("listen", ["0.0.0.0:8000", "[::]:8000", "10.0.0.7:8000", "gateway:8000", ":8000"])
def test_an_address_for_links_is_required_outside_of_the_loopback(listen: str) -> None:
    with pytest.raises(
        ValidationError, match="set GATEWAY_PUBLIC_URL to the address under which clients reach"
    ):
        settings_without_services(listen=listen)

    settings_without_services(listen=listen, public_url="https://loupe.example.com")


@pytest.mark.parametrize("listen", ["127.0.0.1:8000", "127.5.0.1:8000", "[::1]:8000", "localhost:8000"])
def test_on_the_loopback_the_address_of_the_request_will_do(listen: str) -> None:
    assert settings_without_services(listen=listen).public_url == ""


@pytest.mark.parametrize(
    "address", ["loupe.example.com", "ftp://loupe", "https://loupe.example.com/api", "https://"]
)
def test_an_address_for_links_is_an_origin(address: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        settings_without_services(public_url=address)
