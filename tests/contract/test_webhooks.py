"""Webhooks over REST, with a receiver that verifies what it gets."""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from loupe_local.mailbox import newest_mail_to
from loupe_local.stack import Stack
from loupe_local.state import REPOSITORY
from tests.client import client_of, upload_image, upscale, wait_for_status
from tests.contract.api_client import SMALL, a_batch, data_of, invalid_fields, refusal
from tests.contract.shapes import a_page_of, check
from tests.contract.webhook_shapes import DELIVERY, NEW_WEBHOOK, SIGNING_SECRET, WEBHOOK, WEBHOOKS
from tests.gateway.event_streams import event_stream
from tests.gateway.harness import People
from tests.outbound.receiver import Receiver, answer, receiver
from tests.polling import until

NOWHERE = "http://127.0.0.1:9/"
NODE = REPOSITORY / ".loupe" / "node"


@pytest.fixture
async def client(stack: Stack, people: People) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a new user."""
    person = await people.new("professional")
    async with client_of(stack, person.token) as opened:
        yield opened


async def create(client: httpx2.AsyncClient, url: str = NOWHERE, *types: str) -> tuple[int, str]:
    """Create a webhook, and return its id and secret."""
    made = await client.post("/api/webhooks", json={"url": url, "types": types})
    data = data_of(made, "Webhook created successfully", NEW_WEBHOOK, 201)
    return data["webhook"]["id"], data["secret"]


async def has(target: Receiver, *types: str) -> bool:
    """Return whether the receiver has got events of all these types."""
    return set(types) <= {each.event["type"] for each in target.received}


async def test_a_webhook_gets_the_events_of_an_image_as_get_shows_it(client: httpx2.AsyncClient) -> None:
    async with receiver() as target:
        _, secret = await create(client, target.url)
        image_id = await upload_image(client, SMALL)
        await wait_for_status(client, image_id, "completed")
        await until(lambda: has(target, "image.accepted", "image.completed"))

    [ended] = [each for each in target.received if each.event["type"] == "image.completed"]
    shown = (await client.get(f"/api/images/{image_id}")).json()["data"]
    links = ("download_url", "download_expires_at", "original_url")
    event = ended.verified(secret)
    assert list(event) == ["type", "timestamp", "data"]
    assert {k: v for k, v in event["data"].items() if k not in links} == {
        k: v for k, v in shown.items() if k not in links
    }
    assert event["data"]["download_url"].startswith("http")
    assert not await has(target, "image.processing")
    assert not await has(target, "image.progress")


async def test_a_webhook_gets_a_batch_without_its_images(client: httpx2.AsyncClient) -> None:
    async with receiver() as target:
        _, secret = await create(client, target.url, "batch.completed")
        batch_id = (await a_batch(client, SMALL, SMALL)).json()["data"]["id"]
        await until(lambda: has(target, "batch.completed"), 60)

    [ended] = target.received
    data = ended.verified(secret)["data"]
    assert (data["id"], data["status"], data["total_images"]) == (batch_id, "completed", 2)
    assert "images" not in data


async def test_of_what_is_gone_only_the_id_is_sent(client: httpx2.AsyncClient) -> None:
    async with receiver() as target:
        await create(client, target.url, "image.deleted")
        image_id = await upload_image(client, SMALL)
        await wait_for_status(client, image_id, "completed")
        await client.delete(f"/api/images/{image_id}")
        await until(lambda: has(target, "image.deleted"))

    assert target.received[0].event["data"] == {"id": image_id, "deleted": True}


async def test_the_secret_is_shown_when_it_is_made_and_never_again(client: httpx2.AsyncClient) -> None:
    webhook_id, secret = await create(client)

    listed = await client.get("/api/webhooks")
    shown = await client.get(f"/api/webhooks/{webhook_id}")

    data = data_of(listed, "Webhooks retrieved successfully", WEBHOOKS)
    assert data == {"webhooks": [data_of(shown, "Webhook retrieved successfully", WEBHOOK)], "count": 1}
    assert secret not in listed.text + shown.text


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("url", {}),
        ("url", {"url": "https://10.0.0.1/"}),
        ("url", {"url": 5}),
        ("types", {"url": NOWHERE, "types": ["image.finished"]}),
        ("types", {"url": NOWHERE, "types": "image.completed"}),
        ("description", {"url": NOWHERE, "description": "x" * 256}),
        ("secret", {"url": NOWHERE, "secret": "whsec_short"}),
        ("is_enabled", {"url": NOWHERE, "is_enabled": "perhaps"}),
    ],
)
async def test_a_wrong_value_is_refused_with_its_field(
    client: httpx2.AsyncClient, field: str, sent: dict[str, Any]
) -> None:
    refused = await client.post("/api/webhooks", json=sent)

    assert list(invalid_fields(refused)) == [field]


async def test_a_user_has_at_most_twenty_webhooks(client: httpx2.AsyncClient) -> None:
    for _ in range(20):
        await create(client)

    refused = await client.post("/api/webhooks", json={"url": NOWHERE})

    assert invalid_fields(refused) == {"url": ["There may be at most 20 webhooks."]}


async def test_a_webhook_can_be_changed_and_deleted(client: httpx2.AsyncClient) -> None:
    webhook_id, _ = await create(client, NOWHERE, "image.completed")

    changed = await client.patch(
        f"/api/webhooks/{webhook_id}", json={"types": [], "description": "new", "is_enabled": False}
    )
    data = data_of(changed, "Webhook updated successfully", WEBHOOK)
    gone = await client.delete(f"/api/webhooks/{webhook_id}")

    assert (data["types"], data["description"], data["is_enabled"]) == ([], "new", False)
    assert (data["url"], data["disabled_reason"]) == (NOWHERE, None)
    data_of(gone, "Webhook deleted successfully")
    assert refusal(await client.get(f"/api/webhooks/{webhook_id}"))[:2] == (404, "webhook_not_found")


async def test_a_test_event_is_delivered_logged_and_replayed_under_the_same_id(
    client: httpx2.AsyncClient,
) -> None:
    async with receiver(answer(500, b"broken"), answer(200, b"thanks")) as target:
        webhook_id, secret = await create(client, target.url)
        log = f"/api/webhooks/{webhook_id}/deliveries"
        accepted = data_of(
            await client.post(f"/api/webhooks/{webhook_id}/test"), "Test event accepted", DELIVERY, 202
        )
        await until(lambda: logged(client, log, attempts=1))
        [failed] = (await client.get(log)).json()["data"]
        replay = await client.post(f"/api/webhooks/deliveries/{accepted['id']}/replay")
        await until(lambda: logged(client, log, status="delivered"))

    page = (await client.get(log)).json()
    check(page, a_page_of(DELIVERY))
    [delivered] = page["data"]
    data_of(replay, "Delivery accepted", DELIVERY, 202)
    assert (accepted["type"], accepted["status"], accepted["attempts"]) == ("webhook.test", "waiting", 0)
    assert (failed["status_code"], failed["answer"], failed["status"]) == (500, "broken", "waiting")
    assert (delivered["status_code"], delivered["answer"]) == (200, "thanks")
    assert target.ids == [accepted["event_id"]] * 2
    assert all(each.verified(secret)["data"]["id"] == webhook_id for each in target.received)


async def logged(client: httpx2.AsyncClient, log: str, **values: object) -> bool:
    """Return whether the only delivery in the log has these values."""
    [delivery] = (await client.get(log)).json()["data"]
    return delivery | values == delivery


async def test_the_log_can_be_filtered_by_state_and_type(client: httpx2.AsyncClient) -> None:
    webhook_id, _ = await create(client)
    await client.post(f"/api/webhooks/{webhook_id}/test")
    log = f"/api/webhooks/{webhook_id}/deliveries"

    found = {
        query: (await client.get(f"{log}?{query}")).json()["meta"]["total"]
        for query in ("status=waiting", "status=delivered", "type=webhook.test", "type=image.failed")
    }

    assert list(found.values()) == [1, 0, 1, 0]
    assert list(invalid_fields(await client.get(f"{log}?status=lost"))) == ["status"]
    assert list(invalid_fields(await client.get(f"{log}?type=lost"))) == ["type"]


async def test_a_disabled_webhook_gets_nothing(client: httpx2.AsyncClient) -> None:
    webhook_id, _ = await create(client)
    await client.patch(f"/api/webhooks/{webhook_id}", json={"is_enabled": False})

    refused = await client.post(f"/api/webhooks/{webhook_id}/test")

    assert refusal(refused)[:2] == (400, "webhook_disabled")


async def test_a_webhook_that_answers_410_is_disabled_and_its_owner_hears_it_by_mail_and_event(
    stack: Stack, people: People
) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client, event_stream(client) as stream:
        async with receiver(answer(410)) as target:
            webhook_id, _ = await create(client, target.url)
            await client.post(f"/api/webhooks/{webhook_id}/test")
            event = await stream.until("webhook.disabled")
        mail = await newest_mail_to(stack.stores.mails, person.email, "A webhook was disabled")
        shown = (await client.get(f"/api/webhooks/{webhook_id}")).json()["data"]

    assert event.data["data"] == shown
    assert (shown["is_enabled"], shown["disabled_reason"]) == (False, "gone")
    assert target.url in mail.get_content()


@pytest.mark.parametrize("is_batch", [False, True])
async def test_the_address_of_an_upload_gets_its_end_signed_with_the_secret_of_the_account(
    client: httpx2.AsyncClient, *, is_batch: bool
) -> None:
    async with receiver(answer(500), answer(204)) as target:
        if is_batch:
            uploaded = await a_batch(client, SMALL, webhook_url=target.url)
        else:
            uploaded = await upscale(client, SMALL, webhook_url=target.url)
        assert uploaded.status_code == 202, uploaded.text
        await until(lambda: len(target.received) == 2, 60)

    secret = (await client.get("/api/webhooks/secret")).json()["data"]["secret"]
    event = target.received[1].verified(secret)
    found = uploaded.json()["data"]
    kind = "batch" if is_batch else "image"
    shown = (await client.get(f"/api/{'batches' if is_batch else 'images'}/{found['id']}")).json()["data"]
    assert (event["type"], event["data"]["id"]) == (f"{kind}.completed", found["id"])
    assert event["data"]["webhook_url"] == shown["webhook_url"] == target.url
    assert target.ids[0] == target.ids[1]
    assert (await client.get("/api/webhooks")).json()["data"]["count"] == 0


async def test_the_address_of_an_upload_is_refused_with_the_other_wrong_options(
    client: httpx2.AsyncClient,
) -> None:
    refused = await upscale(client, SMALL, webhook_url="http://10.0.0.1/", quality=101)

    assert set(invalid_fields(refused)) == {"webhook_url", "quality"}
    assert (await client.get("/api/images")).json()["meta"]["total"] == 0


@pytest.mark.parametrize("of_account", [False, True])
async def test_a_secret_is_replaced_and_the_one_before_signs_for_a_day_more(
    client: httpx2.AsyncClient, *, of_account: bool
) -> None:
    webhook_id, secret = await create(client)
    if of_account:
        first = await client.get("/api/webhooks/secret")
        secret = data_of(first, "Secret retrieved successfully", SIGNING_SECRET)["secret"]
    path = "/api/webhooks/secret/rotate" if of_account else f"/api/webhooks/{webhook_id}/secret/rotate"

    rotated = data_of(await client.post(path), "Secret rotated successfully", SIGNING_SECRET)

    assert rotated["secret"] != secret
    assert rotated["previous_secret_expires_at"]


async def test_the_package_for_javascript_verifies_what_is_sent(
    generators: None, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    async with receiver() as target:
        webhook_id, secret = await create(client, target.url)
        await client.post(f"/api/webhooks/{webhook_id}/test")
        await until(lambda: has(target, "webhook.test"))
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    (tmp_path / "verify.mjs").write_text(
        """
        import { Webhook } from "standardwebhooks";
        const { secret, body, headers } = JSON.parse(process.argv[2]);
        console.log(new Webhook(secret).verify(body, headers).type);
        """
    )
    [request] = target.received
    sent = {"secret": secret, "body": request.body.decode(), "headers": request.headers}

    process = await asyncio.create_subprocess_exec(
        NODE / "bin" / "node", "verify.mjs", json.dumps(sent), cwd=tmp_path, stdout=PIPE
    )
    printed, _ = await process.communicate()

    assert printed == b"webhook.test\n"
