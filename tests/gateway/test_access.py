"""The order of refusals before the body is read, and the headers of these answers."""

import re

import httpx2
import pytest
from PIL import Image

from gateway.identity.limits import HOUR
from loupe_local.stack import Stack
from tests.gateway.harness import Harness, People, Person, spend
from tests.pixels import encoded

PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))
NO_ABILITIES = "UPDATE token SET abilities = '{}' WHERE user_id = %s"
ALL_ABILITIES = (
    "UPDATE token SET abilities = '{images:read,images:write,images:delete,user:read}' WHERE user_id = %s"
)
ENDED = "UPDATE subscription SET ends_at = now() - interval '1 minute' WHERE user_id = %s"
USED_UP = """
    INSERT INTO quota (user_id, period_start, used, version)
    VALUES (%s, date_trunc('month', now() AT TIME ZONE 'UTC'), %s, 1)
    ON CONFLICT (user_id, period_start) DO UPDATE SET used = excluded.used
"""


async def post(gateway: Harness, person: Person, **headers: str) -> httpx2.Response:
    """Send a body that is not multipart: a route that reads it answers 422."""
    async with gateway.client(person.token, **headers) as client:
        return await client.post("/api/images/upscale", content=b"no body of ours")


async def refusal_of(gateway: Harness, person: Person) -> tuple[int, str]:
    answer = await post(gateway, person)
    body = answer.json()
    assert body["success"] is False
    assert body["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, body["code"]


async def test_the_first_refusal_in_the_order_of_the_contract_is_returned(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person = await people.new("starter", verified=False)
    await people.execute_sql("auth", NO_ABILITIES, person.id)
    await people.execute_sql("billing", ENDED, person.id)
    await people.execute_sql("billing", USED_UP, person.id, 25)
    await spend(stack, f"user-{person.id}", 500)
    refusals = [await refusal_of(gateway, Person(person.id, person.email, person.token[:-1] + "x"))]

    refusals.append(await refusal_of(gateway, person))
    await spend(stack, f"user-{person.id}", -500)
    refusals.append(await refusal_of(gateway, person))
    await people.verify(person)
    refusals.append(await refusal_of(gateway, person))
    await people.set_plan(person, "free")
    refusals.append(await refusal_of(gateway, person))
    await people.set_plan(person, "starter")
    refusals.append(await refusal_of(gateway, person))
    await people.execute_sql("auth", ALL_ABILITIES, person.id)
    refusals.append(await refusal_of(gateway, person))
    await people.execute_sql("billing", USED_UP, person.id, 24)
    refusals.append(await refusal_of(gateway, person))

    assert refusals == [
        (401, "unauthenticated"),
        (429, "too_many_requests"),
        (403, "email_unverified"),
        (403, "subscription_expired"),
        (403, "no_api_access"),
        (403, "missing_ability"),
        (403, "quota_exceeded"),
        (422, "validation_failed"),
    ]


async def test_an_expired_subscription_can_still_read(gateway: Harness, people: People) -> None:
    person = await people.new("starter")
    await people.execute_sql("billing", ENDED, person.id)

    async with gateway.client(person.token) as client:
        answers = [await client.get(path) for path in ("/api/images", "/api/usage", "/api/subscription")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_an_unverified_user_can_use_only_the_account(gateway: Harness, people: People) -> None:
    person = await people.new(verified=False)

    async with gateway.client(person.token) as client:
        account = [await client.get("/api/user"), await client.get("/api/user/tokens")]
        others = [await client.get(path) for path in ("/api/images", "/api/images/1", "/api/usage")]
        out = await client.post("/api/auth/logout")

    assert [answer.status_code for answer in account] == [200, 200]
    assert {answer.json()["code"] for answer in others} == {"email_unverified"}
    assert out.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "ability"),
    [
        ("GET", "/api/images", "images:read"),
        ("GET", "/api/images/1", "images:read"),
        ("GET", "/api/images/1/download", "images:read"),
        ("DELETE", "/api/images/1", "images:delete"),
        ("POST", "/api/images/upscale", "images:write"),
        ("GET", "/api/user", "user:read"),
        ("GET", "/api/usage", "user:read"),
        ("GET", "/api/subscription", "user:read"),
        ("GET", "/api/user/tokens", "user:read"),
    ],
)
async def test_each_route_needs_its_ability_and_no_other(
    gateway: Harness, people: People, starter: Person, method: str, path: str, ability: str
) -> None:
    all_of_them = {"images:read", "images:write", "images:delete", "user:read"}
    statement = "UPDATE token SET abilities = %s WHERE user_id = %s"

    async with gateway.client(starter.token) as client:
        await people.execute_sql("auth", statement, sorted(all_of_them - {ability}), starter.id)
        without = await client.request(method, path)
        await people.execute_sql("auth", statement, [ability], starter.id)
        with_it = await client.request(method, path)

    assert (without.status_code, without.json()["code"]) == (403, "missing_ability")
    assert with_it.status_code != 403


@pytest.fixture(scope="module")
async def starter(people: People) -> Person:
    return await people.new("starter")


async def test_an_exceeded_limit_says_when_to_retry(stack: Stack, gateway: Harness, people: People) -> None:
    person = await people.new("starter")
    await spend(stack, f"user-{person.id}", 499)

    async with gateway.client(person.token) as client:
        last = await client.get("/api/images")
        over = await client.get("/api/images")
        poll = await client.get("/api/images/1")
        account = await client.get("/api/user")

    assert last.status_code == 200
    assert last.headers["ratelimit"].startswith('"hour";r=0;t=')
    assert over.status_code == account.status_code == 429
    assert (over.json()["message"], over.json()["code"]) == ("Too many requests.", "too_many_requests")
    assert over.headers["ratelimit-policy"] == '"hour";q=500;w=3600'
    assert over.headers["ratelimit"] == f'"hour";r=0;t={over.headers["retry-after"]}'
    assert 0 < int(over.headers["retry-after"]) <= HOUR
    assert poll.status_code == 404
    assert poll.headers["ratelimit-policy"] == '"hour";q=5000;w=3600'
    assert poll.headers["ratelimit"].startswith('"hour";r=4999;')


async def test_each_request_counts_once(gateway: Harness, people: People) -> None:
    person = await people.new("professional")

    async with gateway.client(person.token) as client:
        answers = [await client.get("/api/user") for _ in range(3)]

    left = [re.search(r"r=(\d+)", answer.headers["ratelimit"]) for answer in answers]
    assert [int(found[1]) for found in left if found] == [1999, 1998, 1997]


async def test_every_answer_about_images_has_the_quota_headers(gateway: Harness, people: People) -> None:
    person = await people.new("starter")

    async with gateway.client(person.token) as client:
        listed = await client.get("/api/images")
        missing = await client.get("/api/images/999999")
        refused = await client.post("/api/images/upscale", content=b"")
        accepted = await client.post("/api/images/upscale", files={"image": ("a.jpg", PHOTO)})
        account = await client.get("/api/user")
        after = await client.get("/api/images")

    left = [answer.headers["x-ratelimit-remaining"] for answer in (listed, missing, refused, accepted, after)]
    assert left == ["25", "25", "25", "24", "24"]
    assert {answer.headers["x-ratelimit-limit"] for answer in (listed, missing, refused, accepted)} == {"25"}
    assert "x-ratelimit-limit" not in account.headers


async def test_without_a_valid_token_requests_count_by_address(stack: Stack, gateway: Harness) -> None:
    async with gateway.client() as client:
        before = await client.get("/api/user")
        forged = await client.get("/api/user", headers={"X-Forwarded-For": "198.51.100.7"})
        after = await client.get("/api/user", headers={"Authorization": "Bearer 1|nonsense"})

    left = [re.search(r"r=(\d+)", answer.headers["ratelimit"]) for answer in (before, forged, after)]
    counts = [int(found[1]) for found in left if found]
    assert counts == [counts[0], counts[0] - 1, counts[0] - 2]
    assert {answer.headers["ratelimit-policy"] for answer in (forged, after)} == {
        before.headers["ratelimit-policy"]
    }
