"""Idempotency keys while both releases run: uploads work, and this release alone replays answers."""

import asyncio
import secrets

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.contract.api_client import SMALL
from tests.gateway.harness import People, Person
from tests.upgrade.replicas import NEW, OLD, Replicas


@pytest.fixture
async def person(stack: Stack) -> Person:
    return await People(stack).new("enterprise")


async def post_twice(url: str, person: Person) -> tuple[list[int], int, str | None]:
    """Send an upload twice with one key. Return the statuses, the number of images, and the last header."""
    headers = {"Authorization": f"Bearer {person.token}", "Idempotency-Key": secrets.token_hex(16)}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        answers = [await post(client), await post(client)]
    ids = {answer.json()["data"]["id"] for answer in answers}
    return [one.status_code for one in answers], len(ids), answers[1].headers.get("Idempotency-Replayed")


async def post(client: httpx2.AsyncClient) -> httpx2.Response:
    """Send the upload until a replica takes it. The gateway may still know one that has stopped."""
    async with asyncio.timeout(30):
        while (
            answer := await client.post("/api/images/upscale", files={"image": ("a.jpg", SMALL)})
        ).status_code == 503:
            await asyncio.sleep(0.1)
    return answer


@pytest.mark.timeout(600)
async def test_a_key_works_once_gateway_and_images_know_it_and_harms_nothing_before(
    person: Person, replicas: Replicas
) -> None:
    old_gateway, new_gateway = replicas.gateways

    await replicas.start(NEW, "gateway")
    before = [await post_twice(url, person) for url in replicas.gateways]
    await replicas.start(NEW, "images")
    await replicas.stop(OLD, "images")
    after = [await post_twice(url, person) for url in (old_gateway, new_gateway)]

    twice, once = ([202, 202], 2, None), ([202, 202], 1, "true")
    assert before == [twice, twice]
    assert after == [twice, once]
