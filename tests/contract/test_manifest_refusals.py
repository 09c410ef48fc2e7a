"""A manifest is taken with all that it may hold, or refused before any of its items is accepted."""

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of
from tests.contract.api_client import SMALL, invalid_fields, refusal
from tests.contract.test_direct_uploads import prepare, store
from tests.contract.test_manifests import INNER, JPEG, LINK, PATH, SPELLING, accept, send, until_ended
from tests.gateway.harness import People
from tests.outbound.servers import host


async def test_up_to_a_thousand_links_and_uploads_are_taken_in_one_request(jane: httpx2.AsyncClient) -> None:
    upload = await prepare(jane)
    await store(upload)
    async with host(JPEG) as server:
        items = [{"image_url": server.url, "reference": "a/1"}, {"upload_id": upload["id"], "reference": "b"}]
        accepted = await accept(jane, *items, name="Both")
        *_, ended = await until_ended(jane, accepted["id"])
    links = [{"image_url": LINK}] * 1001

    assert (accepted["status"], accepted["stage"], accepted["total_images"]) == ("pending", "fetching", 2)
    assert (ended["status"], ended["stage"], ended["progress"]) == ("completed", "done", 100)
    assert [image["reference"] for image in ended["images"]] == ["a/1", "b"]
    assert {image["original_size"] for image in ended["images"]} == {len(SMALL)}
    assert invalid_fields(await send(jane, *links)) == {
        "items": ["The items must have between 1 and 1000 entries."]
    }
    assert invalid_fields(await send(jane)) == {"items": ["The items must have between 1 and 1000 entries."]}


async def test_options_for_all_hold_and_those_of_an_item_win(jane: httpx2.AsyncClient) -> None:
    async with host(JPEG) as server:
        link = {"image_url": server.url}
        accepted = await accept(
            jane, link, link | {"scale_factor": 4}, link | {"target_width": 60, "output_format": "webp"},
            scale_factor=3, output_format="png",
        )  # fmt: skip
        *_, ended = await until_ended(jane, accepted["id"])

    assert [(image["upscaled_dimensions"], image["upscaled_path"][-4:]) for image in ended["images"]] == [
        ("72x48", ".png"), ("96x64", ".png"), ("60x40", "webp"),
    ]  # fmt: skip
    assert (accepted["scale_factor"], accepted["images"][2]["target_width"]) == (3, 60)


async def test_all_that_is_wrong_is_named_by_item_and_nothing_is_accepted(jane: httpx2.AsyncClient) -> None:
    before = (await jane.get(PATH)).json()["meta"]["total"]
    fields = invalid_fields(
        await send(
            jane,
            {"image_url": "no url"},
            {"image_url": INNER, "quality": 500},
            {"upload_id": "x"},
            {"reference": "a\nb", "image_url": LINK},
            {"reference": "r" * 256, "image_url": LINK, "upload_id": "y"},
            {"image_url": 7, "scale_factor": 9},
            "text",
            {},
        )
    )

    assert fields == {
        "items.0.image_url": [f"{SPELLING}, without spaces and control characters."],
        "items.1.image_url": ["The image url leads to an address that is not on the public internet."],
        "items.1.quality": ["The quality must be between 1 and 100."],
        "items.2.upload_id": ["There is no upload with this id."],
        "items.3.reference": ["The reference may not have control characters."],
        "items.4.image_url": ["The image url may not be sent together with an upload id."],
        "items.4.reference": ["The reference may not be greater than 255 characters."],
        "items.5.image_url": ["The image url must be a string."],
        "items.5.scale_factor": ["The scale factor must be between 2 and 4."],
        "items.6": ["The item must be an object."],
        "items.7.image_url": ["The image url field is required."],
    }
    assert (await jane.get(PATH)).json()["meta"]["total"] == before


async def test_options_that_all_share_are_named_once(jane: httpx2.AsyncClient) -> None:
    link = {"image_url": LINK}

    fields = invalid_fields(await send(jane, link, link, quality=0, on_error="stop"))
    shared = invalid_fields(await send(jane, link, link | {"fit": "odd"}, quality=101))

    assert list(fields) == ["on_error"]
    assert shared == {
        "quality": ["The quality must be between 1 and 100."],
        "items.1.fit": ["The fit must be one of: stretch, cover, contain."],
    }


async def test_the_number_of_errors_is_bounded(jane: httpx2.AsyncClient) -> None:
    fields = invalid_fields(await send(jane, *[{"image_url": "no url"}] * 300))

    assert len(fields) == 101
    assert fields["items"] == ["200 more fields of items are invalid."]


async def test_a_large_body_is_taken_and_a_huge_one_refused(jane: httpx2.AsyncClient) -> None:
    long = {"image_url": "no url", "reference": "r" * 255}
    large, huge = await send(jane, *[long] * 1000), await send(jane, *[long | {"x": "y" * 5000}] * 1000)

    assert large.status_code == 422
    assert refusal(huge)[:2] == (413, "body_too_large")


async def test_fields_that_nobody_knows_are_bounded(jane: httpx2.AsyncClient) -> None:
    many = {f"x{number}": 1 for number in range(101)}
    different = [{f"x{item}.{number}": 1 for number in range(90)} for item in range(12)]
    alike = [{f"x{number}": 1 for number in range(90)} for _ in range(12)]

    for body in ({"items": [{}]} | many, {"items": [many]}):
        text = "An object in the request body has more than 100 fields."
        assert refusal(await jane.post(PATH, json=body)) == (400, "malformed_body", text)
    assert invalid_fields(await send(jane, *different)) == {
        "items": ["The items must have at most 1000 different unknown fields."]
    }
    assert "items" not in invalid_fields(await send(jane, *alike))


async def test_a_plan_without_batches_is_refused(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        answered = await send(client, {"image_url": LINK})

    assert refusal(answered)[:2] == (403, "plan_feature_missing")


async def test_fields_without_effect_are_warned_of(jane: httpx2.AsyncClient) -> None:
    item = {"image_url": INNER, "colour": "red", "webhook_url": LINK}
    answered = await send(jane, item, on_error="skip", colour="red")

    assert [each["field"] for each in answered.json()["warnings"]] == [
        "colour", "items.0.colour", "items.0.webhook_url",
    ]  # fmt: skip


@pytest.mark.parametrize("items", [None, "text", {"image_url": LINK}])
async def test_items_must_be_a_list(jane: httpx2.AsyncClient, items: object) -> None:
    fields = invalid_fields(await jane.post(PATH, json={"items": items}))

    assert fields == {"items": ["The items must be a list." if items else "The items field is required."]}
