"""Events from other services: image outcomes and deleted users."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import replace

import nats.js.errors
import pytest
import sqlalchemy as sa
from nats.js import JetStreamContext, api

from billing import events
from common import bus, messages, outbox
from common.metrics import Readiness
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2 as pb
from loupe.images.v1 import images_pb2
from loupe_local.stores import Stores
from tests.billing.harness import JANE, OMAR, BillingHarness
from tests.polling import until


@pytest.fixture
async def js(stores: Stores) -> AsyncGenerator[JetStreamContext]:
    """The streams as their publishers declare them, without messages."""
    async with bus.connection(stores.nats_url("operator"), "tests", Readiness("broker")) as client:
        js = client.jetstream()
        for name in ("IMAGES", "AUTH", "BILLING", "DEAD"):
            with contextlib.suppress(nats.js.errors.NotFoundError):
                await js.delete_stream(name)
        subjects = ("images.completed", "images.failed", "images.cancelled")
        publishers = bus.stream("IMAGES", *subjects), bus.stream("AUTH", "auth.>")
        await bus.declare(js, *publishers, events.EVENTS, bus.DEAD)
        yield js
        await js.delete_stream("IMAGES")
        await js.delete_stream("AUTH")


@pytest.fixture
async def consuming(billing: BillingHarness, js: JetStreamContext) -> AsyncGenerator[None]:
    outcomes, deleted_users = events.ImageOutcomes(billing.sessions), events.DeletedUsers(billing.sessions)
    async with in_background(
        bus.consume(js, events.COMPLETED, outcomes.capture),
        bus.consume(js, events.NOT_COMPLETED, outcomes.release),
        bus.consume(js, events.USER_DELETED, deleted_users.remove_subscription),
    ):
        yield


@contextlib.asynccontextmanager
async def in_background(*loops: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def image_ended(reservation_id: str) -> bytes:
    return images_pb2.ImageEnded(image_id=1, user_id=JANE, reservation_id=reservation_id).SerializeToString()


def user_deleted(user_id: int) -> bytes:
    return auth_pb2.UserDeleted(user_id=user_id).SerializeToString()


async def until_settled(js: JetStreamContext, consumer: messages.Consumer) -> None:
    async def is_settled() -> bool:
        try:
            info = await js.consumer_info(consumer.stream, consumer.durable)
        except nats.js.errors.NotFoundError:
            return False
        return info.num_pending == 0 and info.num_ack_pending == 0

    await until(is_settled, seconds=60)


async def was_delivered(js: JetStreamContext, consumer: messages.Consumer, times: int) -> bool:
    try:
        info = await js.consumer_info(consumer.stream, consumer.durable)
    except nats.js.errors.NotFoundError:
        return False
    return info.delivered is not None and info.delivered.consumer_seq >= times


async def until_ack_wait_has_passed(js: JetStreamContext, consumer: messages.Consumer) -> None:
    """Wait until a similar consumer, which sends no heartbeats, has received its message twice."""
    config = api.ConsumerConfig(ack_wait=consumer.ack_wait_seconds)
    silent = await js.pull_subscribe(consumer.subjects[0], "silent", consumer.stream, config=config)
    for times in (1, 2):
        [message] = await silent.fetch(1, timeout=60)
        assert message.metadata.num_delivered == times


@pytest.mark.usefixtures("consuming")
async def test_a_completed_image_keeps_its_place(billing: BillingHarness, js: JetStreamContext) -> None:
    reservation_id = await billing.reserve()

    await js.publish("images.completed", image_ended(reservation_id))
    await js.publish("images.completed", image_ended(reservation_id))

    await until_settled(js, events.COMPLETED)
    assert await billing.state(reservation_id) == "captured"
    assert await billing.used() == 1


@pytest.mark.usefixtures("consuming")
@pytest.mark.parametrize("subject", ["images.failed", "images.cancelled"])
async def test_a_failed_or_cancelled_image_gives_its_place_back(
    billing: BillingHarness, js: JetStreamContext, subject: str
) -> None:
    reservation_id, other = await billing.reserve(), await billing.reserve()

    await js.publish(subject, image_ended(reservation_id))
    await js.publish(subject, image_ended(reservation_id))

    await until_settled(js, events.NOT_COMPLETED)
    assert await billing.state(reservation_id) == "released"
    assert await billing.state(other) == "reserved"
    assert await billing.used() == 1


@pytest.mark.usefixtures("consuming")
async def test_the_outcome_of_an_unknown_reservation_is_acknowledged(
    billing: BillingHarness, js: JetStreamContext
) -> None:
    await js.publish("images.completed", image_ended(str(uuid.uuid4())))

    await until_settled(js, events.COMPLETED)
    assert await billing.used() == 0


@pytest.mark.usefixtures("consuming")
@pytest.mark.parametrize("data", [b"\xff\xff\xff", image_ended("")], ids=["gibberish", "no reservation"])
async def test_an_unreadable_outcome_becomes_a_dead_letter(
    billing: BillingHarness, js: JetStreamContext, data: bytes
) -> None:
    reservation_id = await billing.reserve()

    await js.publish("images.failed", data)
    await js.publish("images.failed", image_ended(reservation_id))

    await until_settled(js, events.NOT_COMPLETED)
    assert await billing.state(reservation_id) == "released"
    assert (await js.get_last_msg("DEAD", "dead.IMAGES.billing-release")).data == data


@pytest.mark.usefixtures("consuming")
async def test_a_deleted_user_loses_the_subscription_and_keeps_the_ledger(
    billing: BillingHarness, js: JetStreamContext
) -> None:
    for user_id in (JANE, OMAR):
        await billing.set_plan("starter", user_id)
    reservation_id = await billing.reserve()
    await billing.capture(reservation_id)
    before = (await billing.ledger()).entries

    await js.publish("auth.user_deleted", user_deleted(JANE))
    await js.publish("auth.user_deleted", user_deleted(JANE))

    await until_settled(js, events.USER_DELETED)
    assert await billing.rows("SELECT user_id FROM subscription") == [(OMAR,)]
    assert (await billing.ledger()).entries == before
    assert await billing.used() == 1


@pytest.mark.usefixtures("consuming")
async def test_an_unreadable_user_event_becomes_a_dead_letter(
    billing: BillingHarness, js: JetStreamContext
) -> None:
    await billing.set_plan("starter")

    await js.publish("auth.user_deleted", b"\xff\xff\xff")
    await js.publish("auth.user_deleted", user_deleted(JANE))

    await until_settled(js, events.USER_DELETED)
    assert await billing.rows("SELECT 1 FROM subscription") == []
    assert (await js.get_last_msg("DEAD", "dead.AUTH.billing-users")).data == b"\xff\xff\xff"


async def test_an_event_that_waits_for_the_database_is_delivered_once(
    billing: BillingHarness, js: JetStreamContext
) -> None:
    consumer = replace(events.USER_DELETED, ack_wait_seconds=2.0)
    await billing.set_plan("starter")

    async with in_background(
        bus.consume(js, consumer, events.DeletedUsers(billing.sessions).remove_subscription)
    ):
        async with billing.sessions.begin() as session:
            await (await session.connection()).execute(sa.text("SELECT 1 FROM subscription FOR UPDATE"))
            await js.publish("auth.user_deleted", user_deleted(JANE))
            await until(lambda: was_delivered(js, consumer, 1), seconds=60)
            await until_ack_wait_has_passed(js, consumer)
        await until_settled(js, consumer)

    assert await billing.rows("SELECT 1 FROM subscription") == []
    assert not await was_delivered(js, consumer, 2)


async def test_an_event_is_delivered_again_after_a_database_error(
    billing: BillingHarness, js: JetStreamContext
) -> None:
    await billing.set_plan("starter")
    await billing.change("ALTER TABLE subscription RENAME TO elsewhere")
    consumer = replace(events.USER_DELETED, longest_pause_seconds=0.1)

    async with in_background(
        bus.consume(js, consumer, events.DeletedUsers(billing.sessions).remove_subscription)
    ):
        try:
            await js.publish("auth.user_deleted", user_deleted(JANE))
            await until(lambda: was_delivered(js, consumer, 2), seconds=60)
        finally:
            await billing.change("ALTER TABLE elsewhere RENAME TO subscription")
        await until_settled(js, consumer)

    assert await billing.rows("SELECT 1 FROM subscription") == []


async def test_a_change_of_the_counter_is_published(
    billing: BillingHarness, js: JetStreamContext, stores: Stores
) -> None:
    async with in_background(outbox.relay(billing.sessions, js, stores.database_url("billing"))):
        await billing.reserve()

        async def is_out() -> bool:
            return await billing.rows("SELECT 1 FROM outbox") == []

        await until(is_out, seconds=60)

    message = await js.get_last_msg("BILLING", "billing.usage_changed")
    event = pb.UsageChanged.FromString(message.data or b"")
    assert (event.user_id, event.usage.used, event.usage.version) == (JANE, 1, 1)


async def test_the_periodic_step_expires_overdue_reservations(billing: BillingHarness) -> None:
    reservation_id = await billing.reserve()
    billing.clock.forward(hours=2)

    await events.ImageOutcomes(billing.sessions).expire_reservations()

    assert await billing.state(reservation_id) == "expired"
