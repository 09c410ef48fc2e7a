"""The sweeper queues lost jobs again and renews reservations; objects that nobody needs are deleted."""

import asyncio
import io
import uuid
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
from tests.images.harness import RULES, Harness, insert_image, list_keys, read_events, read_image


@pytest.fixture
async def js(stores: Stores) -> AsyncGenerator[JetStreamContext]:
    """Yield JetStream with an empty stream of jobs that nobody consumes."""
    async with bus.connection(stores.nats_url("operator"), "tests", Readiness()) as client:
        js = client.jetstream()
        await bus.declare(js, QUEUE)
        await js.purge_stream("QUEUE")
        yield js
        await js.delete_stream("QUEUE")


@pytest.fixture
async def js_with_old_stream(js: JetStreamContext) -> AsyncGenerator[JetStreamContext]:
    """Add the stream of jobs of the previous release."""
    await bus.declare(js, bus.stream("JOBS", "images.submitted.*", work_queue=True))
    yield js
    await js.delete_stream("JOBS")


@pytest.fixture
def sweeper(harness: Harness, js: JetStreamContext) -> Sweeper:
    return Sweeper(harness.sessions, js, harness.billing, RULES, timedelta(seconds=30))


async def read_queued_ids(sessions: Sessions) -> list[int]:
    return [pb.ImageSubmitted.FromString(payload).image_id for _, payload in await read_events(sessions)]


def before_now(**time: float) -> datetime:
    return now() - timedelta(**time)


async def test_a_job_that_the_stream_lost_is_queued_again(harness: Harness, sweeper: Sweeper) -> None:
    lost = await insert_image(harness.sessions, 1, dispatched_at=before_now(seconds=31))
    await insert_image(harness.sessions, 2, dispatched_at=before_now(seconds=29))

    await sweeper.sweep()
    await sweeper.sweep()

    assert await read_queued_ids(harness.sessions) == [lost.id]


async def test_while_the_stream_holds_jobs_a_waiting_image_is_queued_again_after_half_an_hour(
    harness: Harness, sweeper: Sweeper, js: JetStreamContext
) -> None:
    await js.publish("images.queued.standard", b"")
    await insert_image(harness.sessions, 1, dispatched_at=before_now(minutes=29))
    forgotten = await insert_image(harness.sessions, 2, dispatched_at=before_now(minutes=31))

    await sweeper.sweep()

    assert await read_queued_ids(harness.sessions) == [forgotten.id]


async def test_jobs_in_the_stream_of_the_previous_release_count_as_well(
    harness: Harness, sweeper: Sweeper, js_with_old_stream: JetStreamContext
) -> None:
    await js_with_old_stream.publish("images.submitted.standard", b"")
    await insert_image(harness.sessions, 1, dispatched_at=before_now(minutes=29))
    forgotten = await insert_image(harness.sessions, 2, dispatched_at=before_now(minutes=31))

    await sweeper.sweep()

    assert await read_queued_ids(harness.sessions) == [forgotten.id]


async def test_an_image_whose_worker_fell_silent_is_queued_again(harness: Harness, sweeper: Sweeper) -> None:
    working = {"status": Status.PROCESSING, "attempt": 1, "dispatched_at": before_now(hours=1)}
    silent = await insert_image(
        harness.sessions, 1, heartbeat_at=before_now(seconds=61), started_at=before_now(hours=1), **working
    )
    await insert_image(
        harness.sessions, 2, heartbeat_at=before_now(seconds=1), started_at=before_now(hours=1), **working
    )

    await sweeper.sweep()

    assert await read_queued_ids(harness.sessions) == [silent.id]


async def test_the_sweeper_respects_the_window(harness: Harness, sweeper: Sweeper) -> None:
    for _ in range(5):
        await insert_image(harness.sessions, dispatched_at=before_now(minutes=1))

    await sweeper.sweep()

    assert len(await read_queued_ids(harness.sessions)) == RULES.window


async def test_a_reservation_is_renewed_while_its_image_waits(harness: Harness, sweeper: Sweeper) -> None:
    image = await reserve(
        harness, await insert_image(harness.sessions, reserved_until=now() + timedelta(minutes=29))
    )
    later = await insert_image(harness.sessions, reserved_until=now() + timedelta(minutes=31))
    await set_expiry(harness, image, minutes=29)

    await sweeper.sweep()

    assert (await read_image(harness.sessions, image.id)).reserved_until > now() + timedelta(minutes=59)
    assert (await read_image(harness.sessions, later.id)).reserved_until == later.reserved_until
    assert await read_expiry(harness, image) > now() + timedelta(minutes=59)


async def test_dropped_objects_are_deleted_and_may_be_missing_already(harness: Harness) -> None:
    await harness.blobs.put("images/originals/a.png", b"a", "image/png")
    await harness.blobs.put("images/originals/b.png", b"b", "image/png")
    dropped = pb.ObjectsDropped(keys=["images/originals/a.png", "images/upscaled/a.png"])
    results = Results(harness.sessions, harness.blobs, RULES)

    await results.delete_objects(dropped.SerializeToString())
    await results.delete_objects(dropped.SerializeToString())

    assert await list_keys(harness) == ["images/originals/b.png"]


async def test_a_forged_event_deletes_nothing_that_an_image_has_or_that_is_not_ours(
    harness: Harness, stores: Stores
) -> None:
    stem = f"images/{{}}/{uuid.uuid4().hex}"
    original, result, preview = (stem.format(each) for each in ("originals", "upscaled", "previews"))
    await insert_image(harness.sessions, 1, original_path=f"{original}.png", upscaled_path=f"{result}.png")
    mine = [f"{original}.png", f"{result}.png", f"{result}.webp", f"{preview}.jpg"]
    operator, bucket = stores.s3.client("operator"), stores.s3.bucket
    for key in (*mine, "images/upscaled/gone.png", "backup.tar"):
        await asyncio.to_thread(operator.put_object, bucket, key, io.BytesIO(b"x"), 1)
    outside = ["backup.tar", "images/../backup.tar", "/images/upscaled/x", "imagesx", ""]
    forged = pb.ObjectsDropped(keys=[*mine, *outside, "images/upscaled/gone.png"])

    await Results(harness.sessions, harness.blobs, RULES).delete_objects(forged.SerializeToString())

    found = await asyncio.to_thread(lambda: list(operator.list_objects(bucket, recursive=True)))
    kept = {each.object_name for each in found}
    assert {*mine, "backup.tar"} <= kept
    assert "images/upscaled/gone.png" not in kept
    await asyncio.to_thread(operator.remove_object, bucket, "backup.tar")


async def reserve(harness: Harness, image: Image) -> Image:
    await harness.billing.Reserve(
        billing_pb2.ReserveRequest(reservation_ids=[str(image.reservation_id)], user_id=image.user_id)
    )
    return image


async def set_expiry(harness: Harness, image: Image, **time: float) -> None:
    statement = sa.text("UPDATE reservation SET expires_at = :at WHERE id = :id")
    async with harness.billing_sessions.begin() as session:
        values = {"at": now() + timedelta(**time), "id": image.reservation_id}
        await (await session.connection()).execute(statement, values)


async def read_expiry(harness: Harness, image: Image) -> datetime:
    statement = sa.text("SELECT expires_at FROM reservation WHERE id = :id")
    async with harness.billing_sessions.begin() as session:
        found = await (await session.connection()).execute(statement, {"id": image.reservation_id})
    return found.scalar_one()
