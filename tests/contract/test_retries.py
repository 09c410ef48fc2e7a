"""Retries, line by line, in the running system."""

import httpx2

from loupe_local.stack import Stack
from tests.client import (
    client_of,
    count_used_images,
    pause_worker,
    upload_image,
    wait_for_status,
    wait_until_used,
)
from tests.contract.api_client import CORRUPT, SMALL, a_batch, data_of, refusal
from tests.contract.shapes import BATCH, IMAGE
from tests.contract.test_batches import until_ended
from tests.gateway.harness import People

AGAIN, ALL_AGAIN = "Image queued for another try", "Failed images queued for another try"


async def a_cancelled_batch(stack: Stack, client: httpx2.AsyncClient, *files: bytes) -> int:
    with pause_worker(stack):
        batch_id = (await a_batch(client, *files)).json()["data"]["id"]
        assert (await client.delete(f"/api/batches/{batch_id}")).status_code == 200
        await wait_until_used(client, 0)
    return batch_id


async def test_a_cancelled_batch_is_taken_up_again_and_completes(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        batch_id = await a_cancelled_batch(stack, client, SMALL, SMALL)

        with pause_worker(stack):
            batch = data_of(await client.post(f"/api/batches/{batch_id}/retry"), ALL_AGAIN, BATCH, 202)
        ended = (await until_ended(client, batch_id))[-1]
        used = await count_used_images(client)

    assert (batch["id"], batch["status"], batch["failed_images"]) == (batch_id, "processing", 0)
    assert {image["earlier_errors"][0]["code"] for image in batch["images"]} == {"cancelled"}
    assert (ended["status"], ended["completed_images"], used) == ("completed", 2, 2)


async def test_one_image_is_retried_under_its_id_and_a_client_may_wait_for_it(
    stack: Stack, people: People
) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        batch_id = await a_cancelled_batch(stack, client, SMALL, SMALL)
        first, second = (await client.get(f"/api/batches/{batch_id}")).json()["data"]["images"]

        with pause_worker(stack):
            answer = await client.post(f"/api/images/{first['id']}/retry")
            image = data_of(answer, AGAIN, IMAGE, 202)
        waited = await client.post(f"/api/images/{second['id']}/retry", headers={"Prefer": "wait=60"})
        ended = (await until_ended(client, batch_id))[-1]

    assert (image["id"], image["status"], image["error"]) == (first["id"], "pending", None)
    assert int(answer.headers["x-ratelimit-remaining"]) == 249
    assert data_of(waited, "Image retrieved successfully", IMAGE)["status"] == "completed"
    assert (ended["status"], ended["failed_images"]) == ("completed", 0)


async def test_a_repeat_with_the_same_key_gets_the_same_answer(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    key = {"Idempotency-Key": "retry-once"}
    async with client_of(stack, person.token) as client:
        batch_id = await a_cancelled_batch(stack, client, SMALL)

        with pause_worker(stack):
            answers = [await client.post(f"/api/batches/{batch_id}/retry", headers=key) for _ in range(2)]
        await until_ended(client, batch_id)
        late = await client.post(f"/api/batches/{batch_id}/retry", headers=key)
        used = await count_used_images(client)

    assert [answer.status_code for answer in (*answers, late)] == [202] * 3
    assert ["idempotency-replayed" in answer.headers for answer in (*answers, late)] == [False, True, True]
    assert late.json()["data"]["status"] == "processing"
    assert used == 1


async def test_what_succeeded_is_409(jane: httpx2.AsyncClient) -> None:
    image_id = await upload_image(jane, SMALL)
    batch_id = (await a_batch(jane, SMALL)).json()["data"]["id"]
    await wait_for_status(jane, image_id, "completed")
    await until_ended(jane, batch_id)

    answers = [
        await jane.post(f"/api/{path}/retry") for path in (f"images/{image_id}", f"batches/{batch_id}")
    ]

    assert {refusal(answer)[:2] for answer in answers} == {(409, "nothing_to_retry")}


async def test_a_file_that_cannot_be_decoded_is_409(jane: httpx2.AsyncClient) -> None:
    image_id = await upload_image(jane, CORRUPT)
    failed = await wait_for_status(jane, image_id, "failed")

    code = refusal(await jane.post(f"/api/images/{image_id}/retry"))[:2]

    assert not failed["error"]["retryable"]
    assert code == (409, "not_retryable")


async def test_a_retry_takes_a_place_in_the_quota_or_is_refused(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        batch_id = await a_cancelled_batch(stack, client, SMALL, SMALL)
        await people.operator.set_quota(person.email, 1)

        answer = await client.post(f"/api/batches/{batch_id}/retry")
        batch = (await client.get(f"/api/batches/{batch_id}")).json()["data"]

    assert refusal(answer)[:2] == (403, "quota_exceeded")
    assert (batch["status"], batch["failed_images"]) == ("cancelled", 2)
