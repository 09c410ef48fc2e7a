"""Webhooks over gRPC: who may have which, and what is refused."""

import base64
from typing import Any

import pytest

from common import errors
from loupe.auth.v1 import auth_pb2
from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.events import DeletedUsers, RestoredAddresses
from tests.outbound.harness import JANE, OMAR, OutboundHarness

OWN_SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
MISSING = 999
GOOD: dict[str, Any] = {"url": "http://127.0.0.1:9/"}


async def test_a_new_webhook_gets_all_events_and_tells_its_secret_once(outbound: OutboundHarness) -> None:
    created = await outbound.create("http://127.0.0.1:9/hook", description="mine")

    found = await outbound.get(created.webhook.id)
    assert found == created.webhook
    assert (found.url, list(found.types), found.description) == ("http://127.0.0.1:9/hook", [], "mine")
    assert found.is_enabled
    assert len(base64.b64decode(created.secret.removeprefix("whsec_"))) == 32
    [(stored,)] = await outbound.rows("SELECT secret FROM webhook")
    assert created.secret.encode() not in bytes(stored)


async def test_a_user_sees_their_own_webhooks_newest_first(outbound: OutboundHarness) -> None:
    ids = [(await outbound.create(user_id=user_id)).webhook.id for user_id in (JANE, OMAR, JANE)]

    found = (await outbound.user(JANE).ListWebhooks(pb.ListWebhooksRequest())).webhooks

    assert [webhook.id for webhook in found] == [ids[2], ids[0]]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("url", {"url": "ftp://example.com/"}),
        ("url", {"url": "http://169.254.169.254/latest"}),
        ("url", {"url": "http://10.0.0.1/"}),
        ("url", {"url": "http://user:secret@127.0.0.1/"}),
        ("url", {"url": ""}),
        ("types", {"types": ["image.finished"]}),
        ("types", {"types": ["image.progress"]}),
        ("description", {"description": "x" * 256}),
        ("description", {"description": "two\nlines"}),
        ("secret", {"secret": "whsec_c2hvcnQ="}),
        ("secret", {"secret": base64.b64encode(bytes(32)).decode()}),
        ("secret", {"secret": "whsec_" + base64.b64encode(bytes(65)).decode()}),
    ],
)
async def test_a_wrong_value_is_refused_with_its_field(
    outbound: OutboundHarness, field: str, values: dict[str, Any]
) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await outbound.user().CreateWebhook(pb.CreateWebhookRequest(**(GOOD | values)))

    assert list(caught.value.fields) == [field]
    assert await outbound.rows("SELECT id FROM webhook") == []


async def test_all_wrong_values_are_named_at_once(outbound: OutboundHarness) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await outbound.create("nowhere", "image.finished", description="x" * 256, secret="mine")

    assert set(caught.value.fields) == {"url", "types", "description", "secret"}


async def test_a_user_may_choose_the_secret(outbound: OutboundHarness) -> None:
    created = await outbound.create(secret=OWN_SECRET)

    assert created.secret == OWN_SECRET


async def test_the_twenty_first_webhook_is_refused(outbound: OutboundHarness) -> None:
    for _ in range(20):
        await outbound.create()

    with pytest.raises(errors.InvalidArgument) as caught:
        await outbound.create()

    assert list(caught.value.fields) == ["url"]
    await outbound.create(user_id=OMAR)


async def test_an_update_changes_what_it_names(outbound: OutboundHarness) -> None:
    webhook = (await outbound.create("http://127.0.0.1:9/", "image.failed", description="old")).webhook

    changed = await outbound.user().UpdateWebhook(
        pb.UpdateWebhookRequest(
            id=webhook.id, types=pb.EventTypes(names=["batch.failed", "image.failed"]), is_enabled=False
        )
    )

    assert list(changed.webhook.types) == ["image.failed", "batch.failed"]
    assert (changed.webhook.url, changed.webhook.description) == (webhook.url, "old")
    assert not changed.webhook.is_enabled


async def test_an_update_is_checked_as_a_new_webhook_is(outbound: OutboundHarness) -> None:
    webhook = (await outbound.create()).webhook

    with pytest.raises(errors.InvalidArgument) as caught:
        await outbound.user().UpdateWebhook(
            pb.UpdateWebhookRequest(id=webhook.id, url="http://10.0.0.1/", description="x" * 256)
        )

    assert set(caught.value.fields) == {"url", "description"}
    assert await outbound.get(webhook.id) == webhook


CALLS = {
    "GetWebhook": pb.GetWebhookRequest,
    "UpdateWebhook": pb.UpdateWebhookRequest,
    "DeleteWebhook": pb.DeleteWebhookRequest,
    "TestWebhook": pb.TestWebhookRequest,
    "RotateSecret": pb.RotateSecretRequest,
}


@pytest.mark.parametrize("method", CALLS)
async def test_the_webhook_of_another_user_is_not_found(outbound: OutboundHarness, method: str) -> None:
    webhook = (await outbound.create(user_id=OMAR)).webhook

    for webhook_id in (webhook.id, MISSING):
        with pytest.raises(errors.NotFound) as caught:
            await getattr(outbound.user(JANE), method)(CALLS[method](id=webhook_id))
        assert caught.value.reason == "webhook_not_found"


@pytest.mark.parametrize("method", ["CreateWebhook", "DeleteWebhook", "GetAccountSecret", "ReplayDelivery"])
async def test_changes_and_secrets_need_all_abilities(outbound: OutboundHarness, method: str) -> None:
    request = getattr(pb, f"{method}Request")
    values = {"url": "http://127.0.0.1:9/"} if method == "CreateWebhook" else {}

    with pytest.raises(errors.PermissionDenied) as caught:
        await getattr(outbound.user(JANE, "user:read", "images:read"), method)(request(**values))

    assert caught.value.reason == "missing_ability"


async def test_reading_needs_the_ability_to_read_the_user(outbound: OutboundHarness) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await outbound.user(JANE, "images:read").ListWebhooks(pb.ListWebhooksRequest())

    assert caught.value.reason == "missing_ability"


async def test_the_owner_hears_of_each_new_address(outbound: OutboundHarness) -> None:
    webhook = (await outbound.create()).webhook
    for url in ("http://127.0.0.1:9/hook", "http://127.0.0.1:9/other"):
        await outbound.user().UpdateWebhook(pb.UpdateWebhookRequest(id=webhook.id, url=url))
    await outbound.enable(webhook.id, is_enabled=False)

    added = await outbound.published("outbound.webhook_added", pb.WebhookAdded)
    assert added == [pb.WebhookAdded(user_id=JANE, webhook_id=webhook.id)] * 2


async def test_a_restored_address_disables_what_was_added_or_changed_shortly_before(
    outbound: OutboundHarness,
) -> None:
    kept, changed = [(await outbound.create()).webhook.id for _ in range(2)]
    outbound.clock.forward(days=5)
    since = outbound.clock.now
    outbound.clock.forward(hours=1)
    added = (await outbound.create()).webhook.id
    others = (await outbound.create(user_id=OMAR)).webhook.id
    await outbound.user().UpdateWebhook(pb.UpdateWebhookRequest(id=changed, url="http://127.0.0.1:9/thief"))
    event = auth_pb2.AddressRestored(user_id=JANE)
    event.since.FromDatetime(since)
    event.restored_at.FromDatetime(outbound.clock.now)
    restored = RestoredAddresses(outbound.sessions)

    await restored.disable_webhooks(event.SerializeToString())
    disabled = [one for one in (kept, changed, added) if not (await outbound.get(one)).is_enabled]
    outbound.clock.forward(hours=1)
    await outbound.enable(changed)
    await restored.disable_webhooks(event.SerializeToString())

    assert disabled == [changed, added]
    assert (await outbound.get(changed)).is_enabled
    assert (await outbound.get(others, OMAR)).is_enabled


async def test_a_deleted_user_leaves_nothing(outbound: OutboundHarness) -> None:
    for user_id in (JANE, OMAR):
        webhook = (await outbound.create(user_id=user_id)).webhook
        await outbound.send_test(webhook.id, user_id)
        await outbound.user(user_id).GetAccountSecret(pb.GetAccountSecretRequest())

    event = auth_pb2.UserDeleted(user_id=JANE).SerializeToString()
    for _ in range(2):
        await DeletedUsers(outbound.sessions).delete_everything(event)

    for table in ("webhook", "account_secret", "lane", "turn", "delivery"):
        assert await outbound.rows(f"SELECT user_id FROM {table}") == [(OMAR,)]  # noqa: S608
