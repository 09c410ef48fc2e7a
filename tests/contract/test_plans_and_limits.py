"""Plans, quota and limits, line by line.

tests/billing and tests/gateway check unlimited plans, exact counts and several gateways. A local stack raises
the limit of ten requests without a token.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from common import timestamps
from gateway.routes.usage import to_image_uploads
from loupe.billing.v1 import billing_pb2
from loupe_local.stack import Stack
from tests.client import (
    client_of,
    count_used_images,
    pause_worker,
    upload_image,
    upscale,
    wait_for_status,
    wait_until_used,
)
from tests.contract.api_client import CORRUPT, SMALL, a_batch, data_of, refusal
from tests.contract.shapes import PLANS, USAGE
from tests.gateway.harness import People

FEATURES: dict[str, list[str]] = {
    "free": [],
    "starter": ["api_access", "priority_support"],
    "professional": ["api_access", "priority_support", "batch_processing"],
    "enterprise": ["api_access", "priority_support", "batch_processing", "priority_queue"],
}
SHIPPED = [
    # id, slug, name, price, requests per hour, images per month
    (1, "free", "Free", 0, 100, 2),
    (2, "starter", "Starter", 9, 500, 25),
    (3, "professional", "Professional", None, 2_000, 250),
    (4, "enterprise", "Enterprise", None, 10_000, 1_000),
]


async def usage_of(client: httpx2.AsyncClient) -> dict[str, Any]:
    return data_of(await client.get("/api/usage"), "Usage statistics retrieved successfully", USAGE)


async def test_the_plans_of_the_reference_can_be_listed_without_a_token(anyone: httpx2.AsyncClient) -> None:
    plans = data_of(await anyone.get("/api/plans"), "Plans retrieved successfully", PLANS)

    assert [(plan["id"], plan["slug"], plan["name"], plan["price"]) for plan in plans] == [
        row[:4] for row in SHIPPED
    ]
    assert {plan["slug"]: plan["features"] for plan in plans} == FEATURES
    assert [{limit["key"]: limit["value"] for limit in plan["limits"]} for plan in plans] == [
        {"images_per_month": images, "requests_per_hour": requests, "max_scale": 4}
        for *_, requests, images in SHIPPED
    ]


@pytest.mark.parametrize(("slug", "requests", "images"), [(row[1], *row[4:]) for row in SHIPPED])
async def test_each_plan_has_its_limits(
    stack: Stack, people: People, slug: str, requests: int, images: int
) -> None:
    person = await people.new("" if slug == "free" else slug)

    async with client_of(stack, person.token) as client:
        answer = await client.get("/api/images")
        poll = await client.get("/api/images/1")
        usage = await usage_of(client)

    assert answer.headers["ratelimit-policy"] == f'"hour";q={requests};w=3600'
    assert poll.headers["ratelimit-policy"] == f'"hour";q={10 * requests};w=3600'
    assert answer.headers["x-ratelimit-limit"] == str(images)
    assert (usage["plan"], usage["features"]) == (slug, FEATURES[slug])
    assert usage["image_uploads"] | {"period_start": "", "resets_at": ""} == {
        "used": 0,
        "limit": images,
        "remaining": images,
        "unlimited": False,
        "exceeded": False,
        "percentage": 0.0,
        "period_start": "",
        "resets_at": "",
    }


async def test_a_subscription_may_have_its_own_quota(stack: Stack, people: People) -> None:
    person = await people.new("enterprise")
    await people.operator.set_quota(person.email, 12_500)

    async with client_of(stack, person.token) as client:
        usage = await usage_of(client)

    assert usage["image_uploads"]["limit"] == 12_500


async def test_without_api_access_a_token_can_only_read(stack: Stack, people: People) -> None:
    person = await people.new()

    async with client_of(stack, person.token) as client:
        reads = [await client.get(path) for path in ("/api/images", "/api/usage", "/api/subscription")]
        post = await upscale(client, SMALL)

    assert [answer.status_code for answer in reads] == [200, 200, 200]
    assert refusal(post)[:2] == (403, "no_api_access")


async def test_all_four_batch_endpoints_need_the_feature(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    async with client_of(stack, person.token) as client:
        answers = [
            await a_batch(client, SMALL),
            await client.get("/api/batches"),
            await client.get("/api/batches/1"),
            await client.delete("/api/batches/1"),
        ]

    assert {refusal(answer)[:2] for answer in answers} == {(403, "plan_feature_missing")}


async def test_the_period_is_the_calendar_month_in_utc(jane: httpx2.AsyncClient) -> None:
    usage = await usage_of(jane)

    start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=32)).replace(day=1)
    form = "%Y-%m-%dT%H:%M:%S.%fZ"
    uploads = usage["image_uploads"]
    assert (uploads["period_start"], uploads["resets_at"]) == (start.strftime(form), end.strftime(form))


async def test_an_image_counts_once_at_any_scale_as_soon_as_it_is_accepted(
    stack: Stack, people: People
) -> None:
    person = await people.new("starter")

    async with client_of(stack, person.token) as client:
        with pause_worker(stack):
            for count, scale in enumerate((2, 3, 4), 1):
                await upload_image(client, SMALL, scale_factor=scale)
                assert await count_used_images(client) == count


async def test_deleting_a_finished_image_releases_no_place(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    async with client_of(stack, person.token) as client:
        done = await upload_image(client, SMALL)
        await wait_for_status(client, done, "completed")
        await client.delete(f"/api/images/{done}")
        failed = await upload_image(client, CORRUPT)
        await wait_for_status(client, failed, "failed")

        await wait_until_used(client, 1)


async def test_a_cancelled_image_releases_its_place(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    async with client_of(stack, person.token) as client:
        with pause_worker(stack):
            image_id = await upload_image(client, SMALL)
            before = await count_used_images(client)
            await client.delete(f"/api/images/{image_id}")
            await wait_until_used(client, 0)

    assert before == 1


async def test_a_used_up_quota_refuses_more_images(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    await people.operator.set_quota(person.email, 1)

    async with client_of(stack, person.token) as client:
        last = await upscale(client, SMALL)
        over = await upscale(client, SMALL)
        uploads = (await usage_of(client))["image_uploads"]

    assert (last.status_code, last.headers["x-ratelimit-remaining"]) == (202, "0")
    assert refusal(over)[:2] == (403, "quota_exceeded")
    assert (uploads["exceeded"], uploads["remaining"], uploads["percentage"]) == (True, 0, 100.0)


async def test_all_image_and_batch_answers_have_the_quota_headers(stack: Stack, people: People) -> None:
    person = await people.new("professional")

    async with client_of(stack, person.token) as client:
        answers = [
            await client.get("/api/images"),
            await client.get("/api/images/999999999"),
            await client.post("/api/images/upscale"),
            await client.get("/api/batches"),
            await upscale(client, SMALL),
            await a_batch(client, SMALL, SMALL),
            await client.get("/api/batches"),
        ]
        other = await client.get("/api/user")

    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == [
        "250", "250", "250", "250", "249", "247", "247"
    ]  # fmt: skip
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"250"}
    assert "x-ratelimit-limit" not in other.headers


async def test_every_answer_has_the_limit_headers(stack: Stack, people: People) -> None:
    person = await people.new()

    async with client_of(stack, person.token) as client:
        answers = [await client.get(path) for path in ("/api/user", "/api/images", "/api/usage")]
    async with client_of(stack) as client:
        answers.append(await client.get("/api/user"))
        answers.append(await client.post("/api/auth/login", json={}))
        answers.append(await client.get("/api/nothing"))
        answers.append(await client.put("/api/images/1"))

    assert all(re.fullmatch(r'"hour";q=\d+;w=3600', answer.headers["ratelimit-policy"]) for answer in answers)
    left = [re.fullmatch(r'"hour";r=(\d+);t=\d+', answer.headers["ratelimit"]) for answer in answers]
    assert [int(found[1]) for found in left[:3] if found] == [99, 98, 97]


async def test_status_polls_have_their_own_limit(stack: Stack, people: People) -> None:
    person = await people.new("professional")

    async with client_of(stack, person.token) as client:
        polls = [await client.get(path) for path in ("/api/images/1", "/api/batches/1")]
        account = await client.get("/api/user")

    assert [answer.headers["ratelimit-policy"] for answer in polls] == ['"hour";q=20000;w=3600'] * 2
    assert account.headers["ratelimit"].startswith('"hour";r=1999;')


def test_without_a_limit_usage_is_unlimited() -> None:
    """Every shipped plan has a limit, so this needs no running system."""
    moment = timestamps.to_proto(datetime.now(UTC))

    uploads = to_image_uploads(billing_pb2.Usage(used=7, period_start=moment, resets_at=moment))

    assert uploads.model_dump_json().startswith(
        '{"used":7,"limit":null,"remaining":null,"unlimited":true,"exceeded":false,"percentage":0.0,'
    )
