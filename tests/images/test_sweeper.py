"""The sweeper queues lost jobs again and renews reservations; objects that nobody needs are deleted."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from nats.js import JetStreamContext

from common import bus
from common.db import Sessions, now
from common.metrics import Readiness
from images.events import QUEUE, Results, Sweeper
from images.tables import Image, Status
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb
from loupe_local.stores import Stores
from tests.images.harness import RULES, Harness, an_image, events, keys, row


@pytest.fixture
async def js(stores: Stores) -> AsyncGenerator[JetStreamContext]:
    """The stream of jobs is empty, and nobody consumes it."""
    async with bus.connection(stores.nats_url("images"), "tests", Readiness()) as client:
        js = client.jetstream()
        await bus.declare(js, QUEUE)
        await js.purge_stream("QUEUE")
        yield js
        await js.delete_stream("QUEUE")


@pytest.fixture
async def js_before(js: JetStreamContext) -> AsyncGenerator[JetStreamContext]:
    """The stream of jobs of the release before is there, too."""
    await bus.declare(js, bus.stream("JOBS", "images.submitted.*", work_queue=True))
    yield js
    await js.delete_stream("JOBS")


@pytest.fixture
def sweeper(harness: Harness, js: JetStreamContext) -> Sweeper:
    return Sweeper(harness.sessions, js, harness.billing, RULES, timedelta(seconds=30))


async def queued(sessions: Sessions) -> list[int]:
    return [pb.ImageSubmitted.FromString(payload).image_id for _, payload in await events(sessions)]


def ago(**time: float) -> datetime:
    return now() - timedelta(**time)


async def test_a_job_that_the_stream_lost_is_queued_again(harness: Harness, sweeper: Sweeper) -> None:
    lost = await an_image(harness.sessions, 1, dispatched_at=ago(seconds=31))
    await an_image(harness.sessions, 2, dispatched_at=ago(seconds=29))

    await sweeper.sweep()
    await sweeper.sweep()

    assert await queued(harness.sessions) == [lost.id]


async def test_while_the_stream_holds_jobs_a_waiting_image_is_queued_again_only_after_half_an_hour(
    harness: Harness, sweeper: Sweeper, js: JetStreamContext
) -> None:
    await js.publish("images.queued.standard", b"")
    await an_image(harness.sessions, 1, dispatched_at=ago(minutes=29))
    forgotten = await an_image(harness.sessions, 2, dispatched_at=ago(minutes=31))

    await sweeper.sweep()

    assert await queued(harness.sessions) == [forgotten.id]


async def test_while_the_stream_of_the_release_before_holds_jobs_the_same_holds(
    harness: Harness, sweeper: Sweeper, js_before: JetStreamContext
) -> None:
    await js_before.publish("images.submitted.standard", b"")
    await an_image(harness.sessions, 1, dispatched_at=ago(minutes=29))
    forgotten = await an_image(harness.sessions, 2, dispatched_at=ago(minutes=31))

    await sweeper.sweep()

    assert await queued(harness.sessions) == [forgotten.id]


async def test_an_image_whose_worker_fell_silent_is_queued_again(harness: Harness, sweeper: Sweeper) -> None:
    working = {"status": Status.PROCESSING, "attempt": 1, "dispatched_at": ago(hours=1)}
    silent = await an_image(
        harness.sessions, 1, heartbeat_at=ago(seconds=61), started_at=ago(hours=1), **working
    )
    await an_image(harness.sessions, 2, heartbeat_at=ago(seconds=1), started_at=ago(hours=1), **working)

    await sweeper.sweep()

    assert await queued(harness.sessions) == [silent.id]


async def test_the_window_holds_for_the_sweeper_too(harness: Harness, sweeper: Sweeper) -> None:
    for _ in range(5):
        await an_image(harness.sessions, dispatched_at=ago(minutes=1))

    await sweeper.sweep()

    assert len(await queued(harness.sessions)) == RULES.window


async def test_a_reservation_is_renewed_while_its_image_waits(harness: Harness, sweeper: Sweeper) -> None:
    image = await reserved(
        harness, await an_image(harness.sessions, reserved_until=now() + timedelta(minutes=29))
    )
    later = await an_image(harness.sessions, reserved_until=now() + timedelta(minutes=31))
    await expire_in(harness, image, minutes=29)

    await sweeper.sweep()

    assert (await row(harness.sessions, image.id)).reserved_until > now() + timedelta(minutes=59)
    assert (await row(harness.sessions, later.id)).reserved_until == later.reserved_until
    assert await expires_at(harness, image) > now() + timedelta(minutes=59)


async def test_dropped_objects_are_deleted_and_may_be_missing_already(harness: Harness) -> None:
    await harness.blobs.put("images/originals/a.png", b"a", "image/png")
    await harness.blobs.put("images/originals/b.png", b"b", "image/png")
    dropped = pb.ObjectsDropped(keys=["images/originals/a.png", "images/upscaled/a.png"])
    results = Results(harness.sessions, harness.blobs, RULES)

    await results.delete_objects(dropped.SerializeToString())
    await results.delete_objects(dropped.SerializeToString())

    assert await keys(harness) == ["images/originals/b.png"]


async def reserved(harness: Harness, image: Image) -> Image:
    await harness.billing.Reserve(
        billing_pb2.ReserveRequest(reservation_ids=[str(image.reservation_id)], user_id=image.user_id)
    )
    return image


async def expire_in(harness: Harness, image: Image, **time: float) -> None:
    statement = sa.text("UPDATE reservation SET expires_at = :at WHERE id = :id")
    async with harness.billing_sessions.begin() as session:
        values = {"at": now() + timedelta(**time), "id": image.reservation_id}
        await (await session.connection()).execute(statement, values)


async def expires_at(harness: Harness, image: Image) -> datetime:
    statement = sa.text("SELECT expires_at FROM reservation WHERE id = :id")
    async with harness.billing_sessions.begin() as session:
        found = await (await session.connection()).execute(statement, {"id": image.reservation_id})
    return found.scalar_one()
