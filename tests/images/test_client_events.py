"""Each change that clients want to know of commits with its event, and the events are sent in order."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import sqlalchemy as sa
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from prometheus_client import REGISTRY

from common import bus
from common.db import Sessions
from common.metrics import Readiness
from images import client_events, gauges
from images.domain import batches, deleted_users, lost_jobs
from loupe.images.v1 import images_pb2 as pb
from loupe_local.stores import Stores
from tests.images.harness import RULES, insert_batch, insert_image
from tests.images.job_steps import JANE, delete, finish, send_heartbeat, set_heartbeat_age, start
from tests.polling import until


async def written(sessions: Sessions) -> list[tuple[str, int, int]]:
    """Return type, image and batch of the events that wait, in their order."""
    query = "SELECT type, coalesce(image_id, 0), coalesce(batch_id, 0) FROM client_event ORDER BY id"
    async with sessions.begin() as session:
        rows = (await (await session.connection()).execute(sa.text(query))).all()
    return [(row[0], row[1], row[2]) for row in rows]


async def types(sessions: Sessions) -> list[str]:
    return [kind for kind, _, _ in await written(sessions)]


async def test_an_image_that_completes_has_each_event_once(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)
    await send_heartbeat(sessions, image, 1, 40)
    await send_heartbeat(sessions, image, 1, 40)

    await finish(sessions, image, 1)
    await finish(sessions, image, 1)

    found = await written(sessions)
    wanted = ["image.accepted", "image.processing", "image.progress", "image.completed"]
    assert found == [(kind, image.id, 0) for kind in wanted]


async def test_an_image_that_fails_has_its_event(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)

    await finish(sessions, image, 1, failure="undecodable")

    assert await types(sessions) == ["image.accepted", "image.processing", "image.failed"]


async def test_a_change_that_is_rolled_back_has_no_event(sessions: Sessions) -> None:
    image = await insert_image(sessions)

    with contextlib.suppress(ZeroDivisionError):
        async with sessions.begin() as session:
            await (await session.connection()).execute(sa.text("UPDATE image SET status = 'completed'"))
            raise ZeroDivisionError

    assert await written(sessions) == [("image.accepted", image.id, 0)]


async def test_a_deleted_image_has_its_end_first_if_it_was_unfinished(sessions: Sessions) -> None:
    unfinished, ended = await insert_image(sessions), await insert_image(sessions)
    await start(sessions, ended)
    await finish(sessions, ended, 1)
    before = len(await written(sessions))

    await delete(sessions, unfinished)
    await delete(sessions, ended)

    assert (await written(sessions))[before:] == [
        ("image.failed", unfinished.id, 0),
        ("image.deleted", unfinished.id, 0),
        ("image.deleted", ended.id, 0),
    ]


async def test_the_end_of_a_batch_comes_after_the_ends_of_its_images(sessions: Sessions) -> None:
    batch, images = await insert_batch(sessions, 2)
    for image in images:
        await start(sessions, image)

    await finish(sessions, images[0], 1)
    await finish(sessions, images[1], 1, failure="undecodable")

    assert await written(sessions) == [
        ("batch.accepted", 0, batch.id),
        ("image.accepted", images[0].id, batch.id),
        ("image.accepted", images[1].id, batch.id),
        ("image.processing", images[0].id, batch.id),
        ("batch.progress", 0, batch.id),
        ("image.processing", images[1].id, batch.id),
        ("image.completed", images[0].id, batch.id),
        ("batch.progress", 0, batch.id),
        ("image.failed", images[1].id, batch.id),
        ("batch.partially_failed", 0, batch.id),
    ]


async def test_a_cancelled_batch_ends_after_its_images(sessions: Sessions) -> None:
    batch, _ = await insert_batch(sessions, 2)

    async with sessions.begin() as session:
        await batches.cancel_or_delete(session, JANE, batch.id or 0, RULES)

    assert (await types(sessions))[3:] == ["image.failed", "image.failed", "batch.cancelled"]


@pytest.mark.parametrize("failure", ["", "undecodable"])
async def test_a_batch_whose_images_end_alike_is_completed_or_failed(
    sessions: Sessions, failure: str
) -> None:
    _, images = await insert_batch(sessions, 1)
    await start(sessions, images[0])

    await finish(sessions, images[0], 1, failure=failure)

    assert (await types(sessions))[-1] == ("batch.failed" if failure else "batch.completed")


async def test_an_image_that_waits_again_is_not_accepted_twice(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)
    await set_heartbeat_age(sessions, image, 3600)

    async with sessions.begin() as session:
        await lost_jobs.requeue_abandoned(session, RULES)
    await start(sessions, image)

    assert await types(sessions) == ["image.accepted", "image.processing", "image.processing"]


async def test_a_change_by_a_replica_of_the_release_before_has_its_event(sessions: Sessions) -> None:
    """A replica of the release before knows nothing of events: it only changes the rows."""
    image = await insert_image(sessions)

    async with sessions.begin() as session:
        connection = await session.connection()
        await connection.execute(sa.text("UPDATE image SET status = 'processing'"))
        await connection.execute(sa.text("UPDATE image SET status = 'completed'"))

    wanted = ["image.accepted", "image.processing", "image.completed"]
    assert await written(sessions) == [(kind, image.id, 0) for kind in wanted]


async def test_events_that_wait_are_measured(sessions: Sessions) -> None:
    await insert_image(sessions)

    await gauges.update(sessions)

    assert REGISTRY.get_sample_value("loupe_client_events_rows") == 1


async def test_a_deleted_account_has_no_events_about_its_images(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)
    await finish(sessions, image, 1)
    before = await written(sessions)

    async with sessions.begin() as session:
        await deleted_users.remember(session, JANE)
        await deleted_users.delete_some(session, JANE)

    assert await written(sessions) == before


@pytest.fixture
async def js(stores: Stores) -> AsyncIterator[JetStreamContext]:
    """An empty stream of events."""
    async with bus.connection(stores.nats_url("operator"), "tests", Readiness()) as nc:
        js = nc.jetstream()
        await bus.declare(js, client_events.STREAM)
        await js.purge_stream("CLIENT_EVENTS")
        yield js


@contextlib.asynccontextmanager
async def relay(sessions: Sessions, stores: Stores, count: int = 1) -> AsyncGenerator[None]:
    """Run the relays of `count` replicas of images."""
    async with contextlib.AsyncExitStack() as stack:
        url, nats_url = stores.database_url("images"), stores.nats_url("images")
        for _ in range(count):
            nc = await stack.enter_async_context(bus.connection(nats_url, "images", Readiness()))
            task = asyncio.create_task(client_events.relay(sessions, nc, url))
            stack.callback(task.cancel)
        yield


async def sent(js: JetStreamContext) -> list[tuple[str, pb.ClientEvent]]:
    """Return all events of the stream, with their subjects."""
    state = (await js.stream_info("CLIENT_EVENTS")).state
    found = [await js.get_msg("CLIENT_EVENTS", n) for n in range(state.first_seq, state.last_seq + 1)]
    return [(one.subject or "", pb.ClientEvent.FromString(one.data or b"")) for one in found]


async def test_events_reach_the_stream_in_order_whichever_replica_sends_them(
    sessions: Sessions, stores: Stores, js: JetStreamContext
) -> None:
    async with relay(sessions, stores, 2):
        for _ in range(10):
            _, images = await insert_batch(sessions, 3)
            for image in images:
                await start(sessions, image)
            for image in images:
                await finish(sessions, image, 1)

        await until(lambda: is_empty(sessions))

    by_batch: dict[int, list[str]] = {}
    for subject, event in await sent(js):
        assert subject == f"events.{JANE}.{event.type}"
        by_batch.setdefault(event.batch_id, []).append(event.type)
    wanted = ["batch.accepted"] + ["image.accepted"] * 3 + ["image.processing"] * 3
    wanted += ["image.completed"] * 3 + ["batch.completed"]
    assert list(by_batch.values()) == [wanted] * 10


async def is_empty(sessions: Sessions) -> bool:
    return not await written(sessions)


async def test_progress_is_published_beside_the_stream(
    sessions: Sessions, stores: Stores, js: JetStreamContext
) -> None:
    heard: list[str] = []
    nc: Client = js._nc

    async def hear(message: Msg) -> None:
        heard.append(message.subject)

    await nc.subscribe("events.*.*.progress", cb=hear)
    await nc.flush()
    async with relay(sessions, stores):
        _, [image] = await insert_batch(sessions, 1)
        await start(sessions, image)
        await send_heartbeat(sessions, image, 1, 40)
        await finish(sessions, image, 1)
        await until(lambda: is_empty(sessions))
        await nc.flush()

    assert heard == [f"events.{JANE}.batch.progress", f"events.{JANE}.image.progress"]
    assert not [event for _, event in await sent(js) if event.type.endswith(".progress")]


async def test_events_older_than_the_stream_keeps_are_dropped(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    async with sessions.begin() as session:
        connection = await session.connection()
        await connection.execute(sa.text("UPDATE client_event SET occurred_at = now() - interval '8 days'"))
    await start(sessions, image)

    await client_events.delete_old(sessions)

    assert await types(sessions) == ["image.processing"]
