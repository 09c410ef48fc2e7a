"""Estimates, line by line, in the running system."""

from typing import Any

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, count_used_images, upscale, wait_for_status
from tests.contract.api_client import SMALL, data_of, invalid_fields, refusal
from tests.contract.shapes import ESTIMATE
from tests.contract.test_direct_uploads import prepare, store
from tests.gateway.harness import People

DONE = "Estimate made successfully"
PICTURE = {"width": 24, "height": 16}


async def estimate(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    return data_of(await client.post("/api/estimate", json=PICTURE | fields), DONE, ESTIMATE)


async def test_an_estimate_says_what_the_upload_then_becomes(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        told = await estimate(client, scale_factor=3, output_format="png")

        answer = await upscale(client, SMALL, scale_factor=3, output_format="png")
        image = await wait_for_status(client, answer.json()["data"]["id"], "completed")
        used = await count_used_images(client)

    result = told["result"]
    assert (told["accepted"], told["refusals"], told["model"]) == (True, [], image["model"]["asked"])
    assert image["upscaled_dimensions"] == f"{result['width']}x{result['height']}"
    assert image["upscaled_path"].endswith(f".{result['format']}")
    assert told["quota"] == {"used": used - 1, "limit": 250, "remaining_after": 250 - used}


async def test_the_picture_may_be_a_direct_upload_which_stays_unused(jane: httpx2.AsyncClient) -> None:
    upload = await prepare(jane)
    missing = data_of(await jane.post("/api/estimate", json={"upload_id": upload["id"]}), DONE, ESTIMATE)
    await store(upload)
    body = {"upload_id": upload["id"], "scale_factor": 3}
    told = data_of(await jane.post("/api/estimate", json=body), DONE, ESTIMATE)
    both = await jane.post("/api/estimate", json=body | PICTURE)
    made = await jane.post("/api/images/upscale", json=body)

    assert missing["refusals"][0]["errors"] == {"upload_id": ["No file was stored for this upload yet."]}
    assert (told["accepted"], told["result"]) == (True, {"width": 72, "height": 48, "format": "jpeg"})
    assert set(invalid_fields(both)) == {"width", "height"}
    assert made.status_code == 202


async def test_a_form_and_texts_are_the_same_as_json(jane: httpx2.AsyncClient) -> None:
    fields = {"width": "24", "height": "16", "target_width": "72"}

    form = data_of(await jane.post("/api/estimate", data=fields), DONE, ESTIMATE)

    assert form["result"] == (await estimate(jane, target_width=72))["result"]


async def test_what_the_plan_refuses_is_told_and_the_answer_is_200(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        await people.operator.set_quota(person.email, 0)
        used_up = await estimate(client, scale_factor=7)
        real = [refusal(await upscale(client, SMALL))[1]]
        await people.operator.set_plan(person.email, "free")
        without_api = await estimate(client)
        real.append(refusal(await upscale(client, SMALL))[1])

    assert not used_up["accepted"]
    assert [each["code"] for each in used_up["refusals"]] == ["quota_exceeded", "validation_failed"]
    assert used_up["refusals"][1]["errors"] == {"scale_factor": ["The scale factor must be between 2 and 4."]}
    assert (used_up["result"], used_up["model"], used_up["quota"]["remaining_after"]) == (None, None, 0)
    assert [each["code"] for each in without_api["refusals"]] == ["no_api_access"]
    assert real == ["quota_exceeded", "no_api_access"]


async def test_a_token_that_may_not_upload_is_told_so(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        made = await client.post("/api/user/tokens", json={"name": "reads", "abilities": ["user:read"]})
    async with client_of(stack, made.json()["data"]["plain_text"]) as client:
        told = await estimate(client)

    assert [each["code"] for each in told["refusals"]] == ["missing_ability"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"width": None}, {"width": ["The width field is required."]}),
        ({"width": 2.5}, {"width": ["The width must be an integer."]}),
        ({"height": True}, {"height": ["The height must be an integer."]}),
        ({"height": [1]}, {"height": ["The height must be an integer."]}),
        ({"width": 0}, {"width": ["The width must be between 1 and 1000000000."]}),
    ],
)
async def test_a_picture_that_is_not_described_is_422(
    jane: httpx2.AsyncClient, fields: dict[str, Any], wrong: dict[str, list[str]]
) -> None:
    assert invalid_fields(await jane.post("/api/estimate", json=PICTURE | fields)) == wrong


async def test_a_misspelt_size_is_refused_as_in_an_upload(jane: httpx2.AsyncClient) -> None:
    answer = await jane.post("/api/estimate", json=PICTURE | {"scale_factr": 4})

    real = invalid_fields(await upscale(jane, SMALL, scale_factr=4))

    [refused] = answer.json()["data"]["refusals"]
    assert refused["errors"] == real
    assert [each["field"] for each in answer.json()["warnings"]] == ["scale_factr"]
