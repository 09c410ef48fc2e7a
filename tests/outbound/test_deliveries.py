"""From an event to a verified delivery."""

import json

from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.domain import signing_secrets
from outbound.signing import Cipher
from tests.outbound.harness import JANE, OMAR, SETTINGS, OutboundHarness
from tests.outbound.receiver import answer, receiver


async def test_a_delivery_is_signed_as_standard_webhooks_demand(outbound: OutboundHarness) -> None:
    async with receiver() as target:
        created = await outbound.create(target.url)
        delivery = await outbound.send_test(created.webhook.id)
        await outbound.deliver()

    [request] = target.received
    event = request.verified(created.secret)
    assert request.event_id == delivery.event_id
    assert request.headers["content-type"] == "application/json"
    assert event["type"] == "webhook.test"
    assert event["data"]["id"] == created.webhook.id
    assert created.secret not in json.dumps(event)


async def test_an_event_goes_once_to_each_webhook_that_wants_it(outbound: OutboundHarness) -> None:
    wanted = [
        (await outbound.create()).webhook.id,
        (await outbound.create("http://127.0.0.1:9/", "image.completed", "image.failed")).webhook.id,
    ]
    await outbound.create("http://127.0.0.1:9/", "batch.completed")
    await outbound.create("http://127.0.0.1:9/", is_disabled=True)
    await outbound.create(user_id=OMAR)

    event_id = await outbound.happen("image.completed")
    await outbound.happen("image.completed", event_id=event_id)

    found = await outbound.rows("SELECT webhook_id, event_id FROM delivery ORDER BY webhook_id")
    assert found == [(webhook_id, event_id) for webhook_id in wanted]


async def test_what_happens_often_goes_to_no_webhook(outbound: OutboundHarness) -> None:
    await outbound.create()

    for kind in ("image.processing", "image.progress", "batch.progress"):
        await outbound.happen(kind)

    assert await outbound.rows("SELECT type FROM delivery") == []


async def test_both_secrets_sign_for_a_day_after_a_rotation(outbound: OutboundHarness) -> None:
    async with receiver() as target:
        created = await outbound.create(target.url)
        rotated = await outbound.user().RotateSecret(pb.RotateSecretRequest(id=created.webhook.id))
        await outbound.send_test(created.webhook.id)
        await outbound.deliver()
        outbound.clock.forward(hours=25)
        await outbound.send_test(created.webhook.id)
        await outbound.deliver()

    first, second = target.received
    assert rotated.secret.text != created.secret
    for secret in (created.secret, rotated.secret.text):
        assert first.verified(secret)
    assert first.headers["webhook-signature"].count("v1,") == 2
    assert second.headers["webhook-signature"].count("v1,") == 1


async def test_secrets_move_to_a_new_key_and_those_of_a_lost_key_stay(outbound: OutboundHarness) -> None:
    created = await outbound.create()
    account = (await outbound.user().GetAccountSecret(pb.GetAccountSecretRequest())).secret.text
    await outbound.user().RotateSecret(pb.RotateSecretRequest(id=created.webhook.id))
    lost = (await outbound.create()).webhook.id
    encrypted = Cipher("a key that nobody has any more").encrypt(created.secret)
    await outbound.change("UPDATE webhook SET secret = :secret WHERE id = :id", secret=encrypted, id=lost)

    new = "the key of an installation that has changed it"
    async with outbound.sessions.begin() as session:
        await signing_secrets.encrypt_again(session, Cipher(new, SETTINGS["secret"]))

    [row] = await outbound.rows("SELECT previous_secret FROM webhook WHERE previous_secret IS NOT NULL")
    assert Cipher(new).decrypt(bytes(row[0])) == created.secret
    [row] = await outbound.rows("SELECT secret FROM account_secret")
    assert Cipher(new).decrypt(bytes(row[0])) == account
    [row] = await outbound.rows("SELECT secret FROM webhook WHERE id = :id", id=lost)
    assert bytes(row[0]) == encrypted


async def test_the_log_keeps_status_time_and_the_beginning_of_the_answer(outbound: OutboundHarness) -> None:
    async with receiver(answer(201, b"y" * 5000)) as target:
        webhook = (await outbound.create(target.url)).webhook
        await outbound.send_test(webhook.id)
        await outbound.deliver()

    [delivery] = await outbound.log(webhook.id)
    assert (delivery.status, delivery.status_code, delivery.attempts) == ("delivered", 201, 1)
    assert delivery.answer == "y" * 2048
    assert delivery.HasField("milliseconds")
    assert not delivery.HasField("next_attempt_at")


async def test_an_image_that_cannot_be_read_now_costs_no_attempt(outbound: OutboundHarness) -> None:
    async with receiver() as target:
        webhook = (await outbound.create(target.url)).webhook
        await outbound.happen("image.completed")
        await outbound.deliver()

    [delivery] = await outbound.log(webhook.id)
    assert target.received == []
    assert (delivery.status, delivery.attempts) == ("waiting", 0)


async def test_the_account_has_one_secret_that_is_made_at_its_first_use(outbound: OutboundHarness) -> None:
    request = pb.GetAccountSecretRequest()

    first, again = [(await outbound.user(JANE).GetAccountSecret(request)).secret for _ in range(2)]
    other = (await outbound.user(OMAR).GetAccountSecret(request)).secret

    assert first == again
    assert first.text != other.text
