"""GET /api/models, which needs no token."""

import re

from tests.gateway.harness import Harness, People


async def test_everybody_may_list_the_models(gateway: Harness) -> None:
    async with gateway.client() as client:
        answer = await client.get("/api/models")

    body = answer.json()
    assert (answer.status_code, list(body)) == (200, ["success", "message", "data"])
    assert (body["success"], body["message"]) == (True, "Models retrieved successfully")
    assert list(body["data"][1].items()) == [
        ("name", "faithful"),
        ("description", "Stays nearest to the original."),
        ("best_for", "clean photos"),
        ("is_default", False),
        ("scales", [2, 3, 4]),
        ("network", "SPAN, 48 channels"),
        ("source", "hongyuanyu/SPAN"),
        ("licence", "Apache-2.0"),
        ("title", None),
        ("commercial_use", True),
    ]
    assert [body["data"][0][key] for key in ("network", "source", "licence")] == [None, None, None]


async def test_clients_without_a_token_are_limited_by_address_and_users_by_plan(
    gateway: Harness, people: People
) -> None:
    person = await people.new("starter")

    async with gateway.client() as stranger, gateway.client(person.token) as known:
        answers = [await client.get("/api/models") for client in (stranger, known, known)]

    found = [re.search(r"r=(\d+)", answer.headers["ratelimit"]) for answer in answers]
    assert [int(each[1]) for each in found[1:] if each] == [499, 498]
    limit = gateway.backend.settings.unauthenticated_requests_per_hour
    policies = [answer.headers["ratelimit-policy"] for answer in answers]
    assert policies == [f'"hour";q={number};w=3600' for number in (limit, 500, 500)]


async def test_the_description_says_that_no_token_is_needed(gateway: Harness) -> None:
    async with gateway.client() as client:
        described = (await client.get("/openapi.json")).json()

    assert described["paths"]["/api/models"]["get"]["security"] == []
