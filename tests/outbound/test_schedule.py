"""Failed deliveries: when they are made again, and when a webhook is disabled."""

from datetime import timedelta

import pytest

from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.domain import attempts
from outbound.domain.attempts import Result
from outbound.domain.schedule import JITTER, PAUSES
from outbound.tables import Status
from tests.outbound.harness import OMAR, OutboundHarness
from tests.outbound.receiver import answer, receiver

HOURS = (2, 5, 10, 14, 20, 24)


def test_the_pauses_are_those_of_the_contract() -> None:
    seconds = [pause.total_seconds() for pause in PAUSES]

    assert seconds == [5, 300, 1800, *(hours * 3600 for hours in HOURS)]


async def due_in(outbound: OutboundHarness) -> timedelta:
    """Return the time until the only delivery is due."""
    [(due_at,)] = await outbound.rows("SELECT due_at FROM delivery")
    return due_at - outbound.clock.now


async def test_a_delivery_that_fails_is_made_again_after_each_pause_and_then_no_more(
    outbound: OutboundHarness,
) -> None:
    async with receiver(answer(500)) as target:
        webhook = (await outbound.create(target.url)).webhook
        event_id = await outbound.happen_about_webhook(webhook.id)
        for attempt, pause in enumerate(PAUSES, 1):
            await outbound.deliver()
            assert len(target.received) == attempt
            assert pause <= await due_in(outbound) <= pause * (1 + JITTER)
            outbound.clock.now += pause - timedelta(seconds=1)
            await outbound.deliver()
            assert len(target.received) == attempt
            outbound.clock.now += pause * JITTER + timedelta(seconds=1)
        await outbound.deliver()
        outbound.clock.forward(days=2)
        await outbound.deliver()

    [delivery] = await outbound.log(webhook.id)
    assert target.ids == [event_id] * (len(PAUSES) + 1)
    assert (delivery.status, delivery.attempts) == ("failed", len(PAUSES) + 1)


async def test_a_receiver_that_is_down_for_ten_minutes_gets_everything_once(
    outbound: OutboundHarness,
) -> None:
    async with receiver() as target:
        url = target.url
    webhook = (await outbound.create(url)).webhook
    ids = [await outbound.happen_about_webhook(webhook.id) for _ in range(8)]
    for _ in range(10):
        await outbound.deliver()
        outbound.clock.forward(minutes=1)
    assert {each.error for each in await outbound.log(webhook.id)} == {"connection_refused"}

    async with receiver(port=target.port) as target:
        for _ in range(40):
            await outbound.deliver()
            outbound.clock.forward(minutes=1)

    assert sorted(target.ids) == sorted(ids)
    assert (await outbound.get(webhook.id)).failing_since.seconds == 0


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("60", 60), ("7200", 3600), ("3", 5), ("soon", 5), ("-1", 5), ("9" * 30, 3600)],
)
async def test_a_pause_that_the_receiver_requests_counts_up_to_an_hour(
    outbound: OutboundHarness, sent: str, expected: int
) -> None:
    async with receiver(answer(429, Retry_After=sent)) as target:
        await outbound.happen_about_webhook((await outbound.create(target.url)).webhook.id)
        await outbound.deliver()

    seconds = (await due_in(outbound)).total_seconds()
    assert expected <= seconds <= expected * (1 + JITTER)


async def test_a_requested_pause_may_be_a_date(outbound: OutboundHarness) -> None:
    date = (outbound.clock.now + timedelta(minutes=7)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    async with receiver(answer(503, Retry_After=date)) as target:
        await outbound.happen_about_webhook((await outbound.create(target.url)).webhook.id)
        await outbound.deliver()

    assert await due_in(outbound) == timedelta(minutes=7)


@pytest.mark.parametrize(("status", "is_final"), [(500, False), (410, True)])
async def test_the_address_of_an_upload_is_tried_again_unless_it_is_gone_and_is_never_disabled(
    outbound: OutboundHarness, *, status: int, is_final: bool
) -> None:
    url = "http://127.0.0.1:9/"
    await outbound.happen("image.completed", webhook_url=url)
    claim = await outbound.claim()
    assert claim
    async with outbound.sessions.begin() as session:
        ended = await attempts.record(session, claim, Result(status_code=status), outbound.clock())
    outbound.clock.forward(days=6)
    again = await outbound.claim()
    await outbound.happen("image.failed", webhook_url=url)
    other = await outbound.claim()

    assert (ended, again is None) == (Status.FAILED if is_final else Status.WAITING, is_final)
    assert other
    assert other.delivery.webhook_id is None
    assert await outbound.rows("SELECT payload FROM outbox") == []


async def test_a_webhook_that_is_gone_is_disabled_and_its_other_webhooks_hear_it(
    outbound: OutboundHarness,
) -> None:
    async with receiver(answer(410)) as target, receiver() as other:
        webhook = (await outbound.create(target.url)).webhook
        kept = await outbound.create(other.url, "webhook.disabled")
        await outbound.happen_about_webhook(webhook.id)
        await outbound.deliver()
        await outbound.publish_outbox()
        await outbound.deliver()

    found = await outbound.get(webhook.id)
    [delivery] = await outbound.log(webhook.id)
    [request] = other.received
    assert (found.is_enabled, found.disabled_reason) == (False, "gone")
    assert (delivery.status, delivery.status_code) == ("failed", 410)
    event = request.verified(kept.secret)
    assert event["type"] == "webhook.disabled"
    assert (event["data"]["id"], event["data"]["disabled_reason"]) == (webhook.id, "gone")


async def test_five_days_of_failures_disable_a_webhook_and_mail_its_owner(
    outbound: OutboundHarness,
) -> None:
    async with receiver(answer(500)) as target:
        webhook = (await outbound.create(target.url)).webhook
        for day in range(6):
            assert (await outbound.get(webhook.id)).is_enabled, day
            await outbound.happen_about_webhook(webhook.id)
            await outbound.deliver()
            outbound.clock.forward(days=1)

    found = await outbound.get(webhook.id)
    [notice] = await outbound.published("outbound.webhook_disabled", pb.WebhookDisabled)
    assert (found.is_enabled, found.disabled_reason) == (False, "failing")
    assert (notice.webhook_id, notice.url, notice.reason) == (webhook.id, target.url, "failing")


async def test_a_success_begins_the_five_days_anew(outbound: OutboundHarness) -> None:
    replies = [answer(500 if day != 3 else 204) for day in range(8)]
    async with receiver(*replies) as target:
        webhook = (await outbound.create(target.url)).webhook
        for _ in range(7):
            await outbound.happen_about_webhook(webhook.id)
            await outbound.deliver()
            await outbound.change("DELETE FROM delivery")
            outbound.clock.forward(days=1)

    assert (await outbound.get(webhook.id)).is_enabled


async def test_what_waits_for_a_disabled_webhook_goes_on_when_it_is_enabled(
    outbound: OutboundHarness,
) -> None:
    async with receiver() as target:
        webhook = (await outbound.create(target.url)).webhook
        event_id = await outbound.happen_about_webhook(webhook.id)
        await outbound.enable(webhook.id, is_enabled=False)
        await outbound.deliver()
        assert target.received == []
        await outbound.enable(webhook.id)
        await outbound.deliver()

    assert target.ids == [event_id]


async def test_operators_see_failing_webhooks_and_send_everything_again(outbound: OutboundHarness) -> None:
    async with receiver(answer(410), answer(204)) as target:
        webhook = (await outbound.create(target.url)).webhook
        await outbound.create(user_id=OMAR)
        event_id = await outbound.happen_about_webhook(webhook.id)
        await outbound.deliver()
        listed = await outbound.operator.ListFailingWebhooks(pb.ListFailingWebhooksRequest())
        redriven = await outbound.operator.RedriveWebhook(pb.RedriveWebhookRequest(id=webhook.id))
        await outbound.deliver()

    [failing] = listed.webhooks
    assert (failing.webhook.id, failing.last_outcome, failing.waiting) == (webhook.id, "410", 0)
    assert redriven.deliveries == 1
    assert target.ids == [event_id] * 2
    assert (await outbound.get(webhook.id)).is_enabled
