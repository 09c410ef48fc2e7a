"""Addresses that uploads name for their end, as outbound delivers to them."""

import pytest

from common import errors, messages
from loupe.images.v1 import images_pb2
from loupe.outbound.v1 import outbound_pb2 as pb
from tests.outbound.harness import OutboundHarness

URL = "http://127.0.0.1:9/end"


@pytest.mark.parametrize(
    ("kind", "is_sent"),
    [
        ("image.accepted", False),
        ("image.completed", True),
        ("image.failed", True),
        ("image.expired", False),
        ("image.deleted", False),
        ("batch.accepted", False),
        ("batch.partially_failed", True),
        ("batch.cancelled", True),
    ],
)
async def test_the_address_of_an_upload_gets_its_end_alone(
    outbound: OutboundHarness, kind: str, is_sent: bool
) -> None:
    for _ in range(2):
        await outbound.happen(kind, event_id="once", webhook_url=URL)

    found = await outbound.rows("SELECT webhook_id, url, host, event_id FROM delivery")
    assert found == ([(None, URL, "127.0.0.1", "once")] if is_sent else [])


async def test_webhooks_and_the_address_of_the_upload_get_the_same_event(outbound: OutboundHarness) -> None:
    webhook = (await outbound.create()).webhook

    await outbound.happen("image.completed", webhook_url=URL)

    found = await outbound.rows("SELECT webhook_id, url FROM delivery ORDER BY id")
    assert found == [(webhook.id, None), (None, URL)]


async def test_an_event_of_the_release_before_waits_until_images_names_the_address(
    outbound: OutboundHarness,
) -> None:
    event = images_pb2.ClientEvent(id="old", type="image.completed", user_id=7, image_id=42)
    event.occurred_at.FromDatetime(outbound.clock.now)

    with pytest.raises(messages.RetryLater):
        await outbound.events.fan_out(event.SerializeToString())

    assert await outbound.rows("SELECT id FROM delivery") == []


async def test_the_address_is_checked_when_the_upload_names_it(outbound: OutboundHarness) -> None:
    checked = await outbound.user().CheckAddress(pb.CheckAddressRequest(url="http://127.0.0.1:9"))
    with pytest.raises(errors.InvalidArgument) as caught:
        await outbound.user().CheckAddress(pb.CheckAddressRequest(url="http://10.0.0.1/"))

    assert checked.url == "http://127.0.0.1:9/"
    assert list(caught.value.fields) == ["webhook_url"]
