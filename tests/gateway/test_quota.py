"""The monthly quota over REST: never exceeded by uploads at the same time, and given back only once."""

import asyncio
from collections import Counter

import httpx2
import pytest

from loupe.billing.v1 import billing_pb2 as pb
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
from tests.contract.api_client import CORRUPT, SMALL
from tests.gateway.harness import People, Person, gateway_on, settings_of
from tests.gateway.test_forbidden import answer_to_headers


async def with_quota(people: People, images: int) -> Person:
    person = await people.new("professional")
    await people.operator.set_quota(person.email, images)
    return person


async def ledger_counts(people: People, person: Person) -> Counter[str]:
    """Return how many ledger entries have each reason."""
    ledger = await people.operator.read_ledger(person.email)
    assert sum(entry.change for entry in ledger.entries) == ledger.usage.used
    return Counter(entry.reason for entry in ledger.entries)


def codes(answers: list[httpx2.Response]) -> Counter[tuple[int, str]]:
    return Counter((answer.status_code, answer.json().get("code", "")) for answer in answers)


async def test_fifty_uploads_at_once_use_exactly_the_quota_of_ten(stack: Stack, people: People) -> None:
    person = await with_quota(people, 10)

    async with client_of(stack, person.token) as client:
        answers = await asyncio.gather(*(upscale(client, SMALL) for _ in range(50)))
        usage = (await client.get("/api/usage")).json()["data"]["image_uploads"]
        listed = (await client.get("/api/images")).json()["meta"]["total"]

    assert codes(answers) == {(202, ""): 10, (403, "quota_exceeded"): 40}
    assert (usage["used"], usage["limit"], usage["remaining"], usage["exceeded"]) == (10, 10, 0, True)
    assert listed == 10
    left = {answer.headers["x-ratelimit-remaining"] for answer in answers if answer.status_code == 202}
    assert left == {str(number) for number in range(10)}
    assert (await ledger_counts(people, person))["reserved"] == 10


async def test_a_cancelled_image_gives_its_place_back_once(stack: Stack, people: People) -> None:
    person = await with_quota(people, 4)

    with pause_worker(stack):
        async with client_of(stack, person.token) as client:
            ids = [await upload_image(client, SMALL) for _ in range(4)]
            full = await upscale(client, SMALL)
            paths = [f"/api/images/{image_id}" for image_id in ids[:3]] * 3
            deleted = await asyncio.gather(*(client.delete(path) for path in paths))
            await wait_until_used(client, 1)
            again = await asyncio.gather(*(upscale(client, SMALL) for _ in range(12)))
            books = await ledger_counts(people, person)
            for answer in (await client.get("/api/images")).json()["data"]:
                await client.delete(f"/api/images/{answer['id']}")
            await wait_until_used(client, 0)

    assert full.status_code == 403
    assert {answer.status_code for answer in deleted} <= {200, 404}
    assert codes(list(again)) == {(202, ""): 3, (403, "quota_exceeded"): 9}
    assert books == {"reserved": 7, "released": 3}
    assert await ledger_counts(people, person) == {"reserved": 7, "released": 7}


async def test_a_failed_image_gives_its_place_back_and_a_completed_one_does_not(
    stack: Stack, people: People
) -> None:
    person = await with_quota(people, 2)

    async with client_of(stack, person.token) as client:
        with pause_worker(stack):
            broken, whole = (
                await upload_image(client, CORRUPT, "broken.tif"),
                await upload_image(client, SMALL),
            )
            full = await upscale(client, SMALL)
        await wait_for_status(client, broken, "failed")
        await wait_for_status(client, whole, "completed")
        await wait_until_used(client, 1)
        deleted = [await client.delete(f"/api/images/{image_id}") for image_id in (broken, whole)]
        await upload_image(client, SMALL)

        assert await count_used_images(client) == 2
    assert full.status_code == 403
    assert [answer.status_code for answer in deleted] == [200, 200]
    books = await ledger_counts(people, person)
    assert (books["reserved"], books["released"]) == (3, 1)


@pytest.mark.parametrize("images", [7, None])
async def test_a_quota_set_by_an_operator_takes_effect(
    stack: Stack, people: People, images: int | None
) -> None:
    person = await with_quota(people, 3)
    with_memory = gateway_on(settings_of(stack, principal_seconds=3600.0))
    async with with_memory as gateway, gateway.client(person.token) as client:
        before = (await client.get("/api/images")).headers["x-ratelimit-limit"]

        await people.operator.set_quota(person.email, images)

        async with asyncio.timeout(10):
            while (found := (await client.get("/api/images")).headers["x-ratelimit-limit"]) == before:
                await asyncio.sleep(0.02)
    assert (before, found) == ("3", str(images or 250))


def ignore(_: int, __: pb.Usage) -> None:
    """Loses a `billing.usage_changed` event."""


async def test_uploads_count_at_their_own_gateway_even_if_every_event_is_lost(
    stack: Stack, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await with_quota(people, 2)
    cautious = gateway_on(settings_of(stack, principal_seconds=3600.0))
    async with cautious as gateway, gateway.client(person.token) as client:
        monkeypatch.setattr(gateway.backend.callers, "update_usage", ignore)

        answers = [await client.get("/api/images")]
        for _ in range(2):
            answers += [await upscale(client, SMALL), await client.get("/api/images")]
        refused = await answer_to_headers(gateway, "/api/images/upscale", person.token)

    assert [answer.status_code for answer in answers] == [200, 202, 200, 202, 200]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "1", "0", "0"]
    assert (refused.status, refused.json["code"]) == (403, "quota_exceeded")
    assert refused.headers["x-ratelimit-remaining"] == "0"
