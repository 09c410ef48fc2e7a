"""Event streams that go on: with `Last-Event-ID`, after the loss of the broker, and with slow readers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sized

import pytest
from nats.js import JetStreamContext

from common import bus
from common.metrics import Readiness
from gateway.events.streams import MOST_QUEUED, EventStream
from loupe.images.v1 import images_pb2 as pb
from loupe_local.stack import Stack
from tests.client import client_of, upload_image, wait_for_status
from tests.contract.api_client import SMALL, invalid_fields
from tests.gateway.broken_line import BrokenLine
from tests.gateway.event_streams import event_stream
from tests.gateway.harness import Harness, People, Person, gateway_on, settings_of

STREAM = "CLIENT_EVENTS"


@pytest.fixture(scope="module")
async def person(people: People) -> Person:
    return await people.new("enterprise")


@pytest.fixture
async def js(stack: Stack) -> AsyncIterator[JetStreamContext]:
    async with bus.connection(stack.stores.nats_url("operator"), "tests", Readiness()) as nc:
        yield nc.jetstream()


async def test_another_gateway_sends_what_happened_since(
    stack: Stack, gateway: Harness, person: Person
) -> None:
    async with gateway.client(person.token) as client, event_stream(client) as stream:
        first = await upload_image(client, SMALL)
        await stream.until("image.completed")
    async with client_of(stack, person.token) as client:
        second = await upload_image(client, SMALL)
        await wait_for_status(client, second, "completed")
        async with event_stream(client, last_id=stream.last_id) as later:
            await later.until("image.completed")
        async with event_stream(client, last_id=stream.seen[0].id) as again:
            await again.until("image.completed")
            await again.until("image.completed")

    assert {event.data["data"]["id"] for event in later.seen} == {second}
    assert [event.type for event in later.seen] == ["image.accepted", "image.processing", "image.completed"]
    known = [(event.id, event.type) for event in stream.seen + later.seen if event.id]
    assert [(event.id, event.type) for event in again.seen] == known[1:]
    assert again.seen[0].data["data"]["id"] == first


async def test_an_event_that_a_service_forged_reaches_no_client(
    gateway: Harness, person: Person, js: JetStreamContext
) -> None:
    subject = f"events.{person.id}.image.deleted"
    forged = pb.ClientEvent(id="forged", type="image.deleted", user_id=person.id, image_id=1)
    async with gateway.client(person.token) as client, event_stream(client) as stream:
        await upload_image(client, SMALL)
        await stream.until("image.accepted")
        await js.publish(subject, forged.SerializeToString(), headers={"Nats-Stream": "BILLING"})
        await js.publish(subject, b"\xff\xff\xff")
        await upload_image(client, SMALL)
        await stream.until("image.accepted")
        async with event_stream(client, last_id=stream.seen[0].id) as later:
            await later.until("image.accepted")

    assert "image.deleted" not in [event.type for event in stream.seen + later.seen]


async def test_the_place_before_the_first_event_is_known(gateway: Harness, person: Person) -> None:
    async with gateway.client(person.token) as client:
        async with event_stream(client) as stream:
            pass
        image_id = await upload_image(client, SMALL)
        async with event_stream(client, last_id=stream.last_id) as later:
            accepted = await later.until("image.accepted")

    assert accepted.data["data"]["id"] == image_id


async def test_streams_and_waits_need_no_consumer_at_the_broker(
    gateway: Harness, person: Person, js: JetStreamContext
) -> None:
    before = {each.name for each in await js.consumers_info(STREAM)}
    async with (
        gateway.client(person.token) as client,
        event_stream(client) as first,
        event_stream(client) as second,
    ):
        wait, files = {"Prefer": "wait=60"}, {"image": ("photo.jpg", SMALL)}
        waited = await client.post("/api/images/upscale", files=files, headers=wait)
        await first.until("image.completed")
        await second.until("image.completed")
        during = {each.name for each in await js.consumers_info(STREAM)}

    assert waited.status_code == 200
    assert during == before


@pytest.mark.parametrize("last_id", ["x", "1", "1-", "-1", "1-2-3", "1 - 2", "0x1-1", "1-" + "9" * 20])
async def test_an_unreadable_id_is_refused_by_name(gateway: Harness, person: Person, last_id: str) -> None:
    async with gateway.client(person.token) as client:
        answer = await client.get("/api/events", headers={"Last-Event-ID": last_id})

    assert list(invalid_fields(answer)) == ["Last-Event-ID"]


async def test_a_foreign_a_future_and_a_forgotten_id_are_answered_with_reset(
    gateway: Harness, person: Person, js: JetStreamContext
) -> None:
    async with gateway.client(person.token) as client:
        async with event_stream(client) as stream:
            await upload_image(client, SMALL)
            old = (await stream.until("image.accepted")).id
            await stream.until("image.completed")
        birth, _, sequence = stream.last_id.partition("-")
        future = f"{birth}-{int(sequence) + 1_000_000}"
        foreign = f"{int(birth) - 1}-{sequence}"
        await js.purge_stream(STREAM)
        await js.publish("events.0.image.accepted", pb.ClientEvent(user_id=0).SerializeToString())
        answers = []
        for last_id in (foreign, future, old):
            async with event_stream(client, last_id=last_id, types="image.completed") as reset:
                first = await reset.next()
                image_id = await upload_image(client, SMALL)
                following = await reset.next()
            assert first
            assert following
            answers.append((first.type, first.data["type"], first.data["data"]))
            assert (following.type, following.data["data"]["id"]) == ("image.completed", image_id)
            assert first.id.startswith(f"{birth}-")

    assert answers == [("reset", "reset", None)] * 3


async def test_a_stream_that_the_broker_lost_is_reset_and_goes_on(
    gateway: Harness, person: Person, js: JetStreamContext
) -> None:
    async with gateway.client(person.token) as client, event_stream(client) as stream:
        await upload_image(client, SMALL)
        await stream.until("image.completed")
        before = stream.last_id

        await js.delete_stream(STREAM)
        reset = await stream.until("reset")
        await upload_image(client, SMALL)
        after = await stream.until("image.completed")

    assert reset.id.partition("-")[0] == after.id.partition("-")[0] != before.partition("-")[0]


async def test_a_gateway_that_lost_the_broker_for_a_while_misses_no_ending(
    stack: Stack, person: Person
) -> None:
    async with (
        BrokenLine(stack.stores.nats_url("gateway")) as line,
        gateway_on(settings_of(stack, nats_url=line.url)) as cut_off,
        cut_off.client(person.token) as client,
        client_of(stack, person.token) as elsewhere,
        event_stream(client, types="image.completed") as stream,
    ):
        image_id = await upload_image(elsewhere, SMALL)
        await stream.until("image.completed")
        line.cut()
        missed = [await upload_image(elsewhere, SMALL) for _ in range(3)]
        for image_id in missed:
            await wait_for_status(elsewhere, image_id, "completed")
        await line.mend()
        ids = [(await stream.until("image.completed")).data["data"]["id"] for _ in missed]

    assert sorted(ids) == sorted(missed)


async def test_a_wait_outlives_the_broker(stack: Stack, person: Person) -> None:
    async with (
        BrokenLine(stack.stores.nats_url("gateway")) as line,
        gateway_on(settings_of(stack, nats_url=line.url)) as cut_off,
        cut_off.client(person.token) as client,
        client_of(stack, person.token) as elsewhere,
    ):
        line.cut()
        image_id = await upload_image(elsewhere, SMALL)
        waiting = asyncio.create_task(client.get(f"/api/images/{image_id}", params={"wait": 15}))
        await wait_for_status(elsewhere, image_id, "completed")
        await line.mend()
        answer = await waiting

    assert answer.json()["data"]["status"] == "completed"


async def test_a_reader_that_is_too_slow_is_cut_off_and_no_other(
    stack: Stack, person: Person, js: JetStreamContext
) -> None:
    count = 3000
    async with (
        gateway_on(settings_of(stack, write_seconds=1.0)) as gateway,
        gateway.client(person.token) as client,
        event_stream(client) as stream,
    ):
        image_id = await upload_image(client, SMALL)
        await stream.until("image.completed")
        slow = await _open_without_reading(gateway, person.token)
        [streams] = gateway.backend.hub._streams.values()
        await _until(lambda: len(streams) == 2)
        event = pb.ClientEvent(type="image.accepted", user_id=person.id, image_id=image_id)
        for _ in range(count):
            await js.publish(f"events.{person.id}.image.accepted", event.SerializeToString())
            assert all(len(_queue(one)) <= MOST_QUEUED for one in streams)
        for _ in range(count):
            assert await stream.until("image.accepted")
        await _until(lambda: len(streams) == 1)
        slow.close()

    ids = [event.id for event in stream.seen if event.type == "image.accepted"]
    assert len(set(ids)) == count + 1


def _queue(stream: EventStream) -> Sized:
    return stream._queue


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not condition():
            await asyncio.sleep(0.02)


async def _open_without_reading(gateway: Harness, token: str) -> socket.socket:
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (host, int(port)))
    head = f"GET /api/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    await loop.sock_sendall(client, head.encode())
    return client
