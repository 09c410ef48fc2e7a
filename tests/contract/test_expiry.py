"""Images that expire, line by line, in the running system."""

import re

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, upload_image, upscale, wait_for_status
from tests.contract.api_client import SMALL, a_batch, invalid_fields, refusal, until_deleted
from tests.contract.test_batches import until_ended
from tests.gateway.event_streams import event_stream
from tests.gateway.harness import People

PAST = "UPDATE image SET expires_at = now() WHERE id = %s"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_the_time_is_told_from_the_end_of_the_image_on(jane: httpx2.AsyncClient) -> None:
    kept = await upload_image(jane, SMALL)
    expiring = await upload_image(jane, SMALL, expires_in=3600)

    ended = [await wait_for_status(jane, each, "completed") for each in (kept, expiring)]

    assert ended[0]["expires_at"] is None
    assert INSTANT.fullmatch(ended[1]["expires_at"])
    assert ended[1]["expires_at"] > ended[1]["updated_at"]


async def test_from_its_time_on_an_image_is_gone_and_its_counts_stay(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        batch_id = (await a_batch(client, SMALL, SMALL, expires_in=3600)).json()["data"]["id"]
        first, second = (await until_ended(client, batch_id))[-1]["images"]
        async with event_stream(client, types="image.expired") as events:
            await people.execute_sql("images", PAST, first["id"])
            answers = [
                await client.get(f"/api/images/{first['id']}"),
                await client.get(f"/api/images/{first['id']}/download"),
                await client.post(f"/api/images/{first['id']}/retry"),
                await client.delete(f"/api/images/{first['id']}"),
            ]
            listed = (await client.get("/api/images")).json()
            batch = (await client.get(f"/api/batches/{batch_id}")).json()["data"]
            event = await events.until("image.expired")
        await until_deleted(stack, first["original_path"], first["upscaled_path"])

    assert {refusal(answer)[:2] for answer in answers} == {(404, "image_not_found")}
    assert [image["id"] for image in listed["data"]] == [second["id"]]
    assert listed["meta"]["total"] == 1
    assert [image["id"] for image in batch["images"]] == [second["id"]]
    assert (batch["total_images"], batch["completed_images"], batch["progress"]) == (2, 2, 100)
    assert event.data["data"] == {"id": first["id"], "deleted": True}


@pytest.mark.parametrize("seconds", [59, 315_360_001])
async def test_a_time_out_of_range_is_422(jane: httpx2.AsyncClient, seconds: int) -> None:
    text = "The expires in must be between 60 and 315360000."

    assert invalid_fields(await upscale(jane, SMALL, expires_in=seconds)) == {"expires_in": [text]}
    assert invalid_fields(await a_batch(jane, SMALL, expires_in=seconds)) == {"expires_in": [text]}
