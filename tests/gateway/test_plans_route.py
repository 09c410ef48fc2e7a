"""GET /api/plans, which needs no token."""

import re

from tests.gateway.harness import Harness, People


async def test_everybody_may_list_the_plans(gateway: Harness) -> None:
    async with gateway.client() as client:
        answer = await client.get("/api/plans")

    body = answer.json()
    assert (answer.status_code, list(body)) == (200, ["success", "message", "data"])
    assert (body["success"], body["message"]) == (True, "Plans retrieved successfully")
    assert [plan["slug"] for plan in body["data"]] == ["free", "starter", "professional", "enterprise"]
    assert list(body["data"][1].items()) == [
        ("id", 2),
        ("name", "Starter"),
        ("slug", "starter"),
        ("price", 9),
        ("features", ["api_access", "priority_support"]),
        (
            "limits",
            [
                {"key": "images_per_month", "value": 25, "unit": "images"},
                {"key": "requests_per_hour", "value": 500, "unit": "requests"},
                {"key": "max_scale", "value": 4, "unit": "factor"},
            ],
        ),
        ("max_scale", 4),
    ]
    assert [plan["price"] for plan in body["data"]] == [0, 9, None, None]


async def test_a_plan_is_the_same_as_in_the_subscription(gateway: Harness, people: People) -> None:
    person = await people.new("professional")

    async with gateway.client(person.token) as client:
        offered = (await client.get("/api/plans")).json()["data"][2]
        ours = (await client.get("/api/subscription")).json()["data"]["plan"]

    assert list(ours) == ["name", "slug", "price", "features", "limits"]
    assert ours == {key: offered[key] for key in ours}


async def test_clients_without_a_token_are_limited_by_address_and_users_by_plan(
    gateway: Harness, people: People
) -> None:
    person = await people.new("starter")

    async with gateway.client() as stranger, gateway.client(person.token) as known:
        answers = [await client.get("/api/plans") for client in (stranger, known)]
        answers.append(await stranger.get("/api/plans", headers={"Authorization": "Bearer 1|nonsense"}))

    found = [re.search(r"r=(\d+)", answer.headers["ratelimit"]) for answer in answers]
    left = [int(each[1]) for each in found if each]
    assert left == [left[0], 499, left[0] - 1]
    assert {answer.status_code for answer in answers} == {200}
    limit = gateway.backend.settings.unauthenticated_requests_per_hour
    policies = [answer.headers["ratelimit-policy"] for answer in answers]
    assert policies == [f'"hour";q={number};w=3600' for number in (limit, 500, limit)]


async def test_the_description_says_that_no_token_is_needed(gateway: Harness) -> None:
    async with gateway.client() as client:
        described = (await client.get("/openapi.json")).json()

    assert described["paths"]["/api/plans"]["get"]["security"] == []
