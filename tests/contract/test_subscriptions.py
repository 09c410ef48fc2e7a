"""Subscriptions, line by line, in the shape of Laravel Cashier."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from loupe_local.stack import Stack
from tests.client import client_of, upload_image, upscale, wait_for_status
from tests.contract.api_client import SMALL, a_batch, data_of, refusal
from tests.contract.shapes import SUBSCRIPTION
from tests.gateway.harness import People, Person

AHEAD, PAST = timedelta(days=3), timedelta(minutes=-1)


async def subscription_of(stack: Stack, person: Person) -> dict[str, Any]:
    async with client_of(stack, person.token) as client:
        answer = await client.get("/api/subscription")
    return data_of(answer, "Subscription details retrieved successfully", SUBSCRIPTION)["subscription"]


async def test_a_new_user_has_no_subscription(stack: Stack, people: People) -> None:
    person = await people.new()

    async with client_of(stack, person.token) as client:
        answer = await client.get("/api/subscription")

    data = data_of(answer, "Subscription details retrieved successfully", SUBSCRIPTION)
    assert data["subscription"] is None
    assert data["plan"] == {
        "name": "Free",
        "slug": "free",
        "price": 0,
        "features": [],
        "limits": [
            {"key": "images_per_month", "value": 2, "unit": "images"},
            {"key": "requests_per_hour", "value": 100, "unit": "requests"},
            {"key": "max_scale", "value": 4, "unit": "factor"},
        ],
    }


@pytest.mark.parametrize(
    ("trial", "end", "past_due", "status", "flags"),
    [
        # flags: active, on trial, cancelled, on grace period
        pytest.param(None, None, False, "active", (True, False, False, False), id="active"),
        pytest.param(AHEAD, None, False, "trialing", (True, True, False, False), id="on trial"),
        pytest.param(None, AHEAD, False, "active", (True, False, True, True), id="on grace period"),
        pytest.param(None, PAST, False, "canceled", (False, False, True, False), id="ended"),
        pytest.param(None, None, True, "past_due", (False, False, False, False), id="unpaid"),
    ],
)
async def test_a_subscription_has_the_flags_of_cashier(
    stack: Stack,
    people: People,
    trial: timedelta | None,
    end: timedelta | None,
    past_due: bool,
    status: str,
    flags: tuple[bool, ...],
) -> None:
    person, now = await people.new(), datetime.now(UTC)
    ends = [now + delta if delta else None for delta in (trial, end)]
    await people.operator.set_plan(person.email, "starter", *ends, past_due=past_due)

    found = await subscription_of(stack, person)

    flag_names = ("is_active", "is_on_trial", "is_cancelled", "is_on_grace_period")
    assert tuple(found[name] for name in flag_names) == flags
    assert [found["trial_ends_at"] is None, found["ends_at"] is None] == [trial is None, end is None]
    assert found["status"] == status


async def test_an_expired_subscription_refuses_only_new_images(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        image_id = await upload_image(client, SMALL)
        await wait_for_status(client, image_id, "completed")
        await people.operator.set_plan(person.email, "professional", until=datetime.now(UTC) + PAST)

        posts = [await upscale(client, SMALL), await a_batch(client, SMALL)]
        paths = ["/api/images", f"/api/images/{image_id}", f"/api/images/{image_id}/download", "/api/batches"]
        reads = [await client.get(path) for path in paths]
        deleted = await client.delete(f"/api/images/{image_id}")

    assert {refusal(answer)[:2] for answer in posts} == {(403, "subscription_expired")}
    assert [answer.status_code for answer in (*reads, deleted)] == [200] * 5
