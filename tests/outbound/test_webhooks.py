"""Webhooks over gRPC: who sees which."""

import pytest

from common import errors
from loupe.auth.v1 import auth_pb2
from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.events import DeletedUsers
from tests.outbound.harness import JANE, OMAR, OutboundHarness

ADD = """
    INSERT INTO webhook (user_id, url, types, description, is_enabled, secret, created_at, updated_at)
    VALUES (:user_id, :url, '{}', '', true, '', now(), now())
"""


async def test_a_user_sees_their_own_webhooks_newest_first(outbound: OutboundHarness) -> None:
    for user_id, url in (
        (JANE, "https://a.example"),
        (OMAR, "https://o.example"),
        (JANE, "https://b.example"),
    ):
        await outbound.change(ADD, user_id=user_id, url=url)

    found = (await outbound.user(JANE).ListWebhooks(pb.ListWebhooksRequest())).webhooks

    assert [webhook.url for webhook in found] == ["https://b.example", "https://a.example"]


async def test_webhooks_need_the_ability_to_read_the_user(outbound: OutboundHarness) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await outbound.user(JANE, "images:read").ListWebhooks(pb.ListWebhooksRequest())

    assert caught.value.reason == "missing_ability"


async def test_a_deleted_user_has_no_webhooks(outbound: OutboundHarness) -> None:
    for user_id in (JANE, OMAR):
        await outbound.change(ADD, user_id=user_id, url="https://a.example")

    event = auth_pb2.UserDeleted(user_id=JANE).SerializeToString()
    for _ in range(2):
        await DeletedUsers(outbound.sessions).delete_everything(event)

    assert await outbound.rows("SELECT user_id FROM webhook") == [(OMAR,)]
