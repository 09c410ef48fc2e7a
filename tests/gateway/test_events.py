"""GET /api/events: what happens to a user's images and batches, as server-sent events."""

import asyncio
import contextlib
import json
import re

import httpx2
import pytest

from gateway.routes import events
from loupe_local.stack import Stack
from tests.client import client_of, pause_worker, upload_image, wait_for_status
from tests.contract.api_client import CORRUPT, SMALL, a_batch
from tests.gateway.event_streams import event_stream
from tests.gateway.harness import Harness, People, Person, gateway_on, settings_of
from tests.polling import until

ENDINGS = ("image.completed", "image.failed")


@pytest.fixture(scope="module")
async def person(people: People) -> Person:
    return await people.new("enterprise")


async def test_an_image_is_followed_from_acceptance_to_its_end(gateway: Harness, person: Person) -> None:
    async with gateway.client(person.token) as client, event_stream(client) as stream:
        image_id = await upload_image(client, SMALL)
        ended = await stream.until("image.completed")
        answer = await client.get(f"/api/images/{image_id}")

    types = [event.type for event in stream.seen if event.type != "image.progress"]
    shown, now = ended.data["data"], answer.json()["data"]
    assert types == ["image.accepted", "image.processing", "image.completed"]
    assert list(ended.data) == ["type", "timestamp", "data"]
    assert list(shown) == list(now)
    links = ("download_url", "download_expires_at", "original_url")
    assert [shown[key] for key in shown if key not in links] == [now[key] for key in now if key not in links]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", ended.data["timestamp"])
    assert all(re.fullmatch(r"\d+-\d+", event.id) for event in stream.seen if event.type in types)


async def test_the_headers_keep_proxies_from_holding_events_back(gateway: Harness, person: Person) -> None:
    origin = {"Origin": "https://other.example"}
    async with gateway.client(person.token, **origin) as client, event_stream(client) as stream:
        headers = stream.answer.headers

    assert headers["content-type"].startswith("text/event-stream")
    assert headers["x-accel-buffering"] == "no"
    assert headers["cache-control"] == "no-store"
    assert headers["access-control-allow-origin"] == "*"
    assert "RateLimit" in headers


async def test_the_end_of_a_batch_comes_after_the_ends_of_its_images(
    gateway: Harness, person: Person
) -> None:
    async with gateway.client(person.token) as client, event_stream(client) as stream:
        await a_batch(client, SMALL, CORRUPT, SMALL)
        ended = await stream.until("batch.partially_failed")

    endings = [event.type for event in stream.seen if event.type in ENDINGS]
    assert sorted(endings) == ["image.completed", "image.completed", "image.failed"]
    assert "images" not in ended.data["data"]
    assert ended.data["data"]["completed_images"] == 2
    assert "batch.progress" in [event.type for event in stream.seen]


async def test_a_cancelled_image_has_failed_with_the_code_cancelled(
    stack: Stack, gateway: Harness, person: Person
) -> None:
    async with gateway.client(person.token) as client, event_stream(client) as stream:
        with pause_worker(stack):
            batch = (await a_batch(client, SMALL)).json()["data"]
            await client.delete(f"/api/batches/{batch['id']}")
            failed = await stream.until("image.failed")
            await stream.until("batch.cancelled")

    assert failed.data["data"]["error"]["code"] == "cancelled"


async def test_an_image_that_is_gone_has_only_its_id(gateway: Harness, person: Person) -> None:
    async with gateway.client(person.token) as client:
        image_id = await upload_image(client, SMALL)
        await wait_for_status(client, image_id, "completed")
        async with event_stream(client) as stream:
            await client.delete(f"/api/images/{image_id}")
            deleted = await stream.until("image.deleted")

    assert deleted.data["data"] == {"id": image_id, "deleted": True}


async def test_the_largest_event_has_less_than_20_kb(gateway: Harness, person: Person) -> None:
    name = "\N{PILE OF POO}" * 251 + ".jpg"
    async with gateway.client(person.token) as client, event_stream(client) as stream:
        await upload_image(client, SMALL, name)
        ended = await stream.until("image.completed")

    assert len(json.dumps(ended.data, ensure_ascii=False).encode()) <= 20_000


async def test_nobody_gets_events_of_others(gateway: Harness, person: Person, people: People) -> None:
    stranger = await people.new("enterprise")
    async with (
        gateway.client(person.token) as owner,
        gateway.client(stranger.token) as other,
        event_stream(other) as stream,
    ):
        await wait_for_status(owner, await upload_image(owner, SMALL), "completed")
        own = await upload_image(other, SMALL)
        await stream.until("image.completed")

    assert {event.data["data"]["id"] for event in stream.seen} == {own}


async def test_a_new_stream_begins_with_what_happens_after_it(
    stack: Stack, gateway: Harness, person: Person
) -> None:
    """Nobody listens at its gateway before, which therefore reads nothing."""
    async with client_of(stack, person.token) as elsewhere, event_stream(elsewhere) as other:
        before = await upload_image(elsewhere, SMALL)
        await other.until("image.completed")
        async with gateway.client(person.token) as client, event_stream(client) as stream:
            after = await upload_image(elsewhere, SMALL)
            await stream.until("image.completed")

    assert {event.data["data"]["id"] for event in stream.seen} == {after}
    assert {event.data["data"]["id"] for event in other.seen} >= {before}


async def test_filters_leave_out_what_they_do_not_name(gateway: Harness, person: Person) -> None:
    async with gateway.client(person.token) as client, contextlib.AsyncExitStack() as streams:
        before = await streams.enter_async_context(event_stream(client))
        batch = (await a_batch(client, SMALL, SMALL)).json()["data"]
        first, second = (image["id"] for image in batch["images"])
        endings = "image.completed,batch.completed"
        by_type, by_image, by_batch = [
            await streams.enter_async_context(event_stream(client, last_id=before.last_id, **query))
            for query in ({"types": endings}, {"image_id": second}, {"batch_id": batch["id"]})
        ]
        for stream in (by_type, by_batch):
            await stream.until("batch.completed")
        await by_image.until("image.completed")

    assert [event.type for event in by_type.seen] == ["image.completed", "image.completed", "batch.completed"]
    assert {event.data["data"]["id"] for event in by_image.seen} == {second}
    assert {first, second, batch["id"]} == {event.data["data"]["id"] for event in by_batch.seen}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("types=image.done", "types"),
        ("image_id=x", "image_id"),
        ("batch_id=0", "batch_id"),
        ("types=,", "types"),
    ],
)
async def test_an_invalid_filter_is_refused_by_name(
    gateway: Harness, person: Person, query: str, field: str
) -> None:
    async with gateway.client(person.token) as client:
        answer = await client.get(f"/api/events?{query}")

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


async def test_head_ends_at_once(gateway: Harness, person: Person) -> None:
    async with gateway.client(person.token) as client:
        answer = await client.head("/api/events")

    assert answer.status_code == 200
    assert not gateway.backend.hub._streams


async def test_a_token_without_images_read_is_refused(stack: Stack, gateway: Harness, person: Person) -> None:
    async with gateway.client(person.token) as client:
        body = {"name": "Narrow", "abilities": ["user:read"]}
        token = (await client.post("/api/user/tokens", json=body)).json()["data"]["plain_text"]
    async with gateway.client(token) as client:
        answer = await client.get("/api/events")

    assert (answer.status_code, answer.json()["code"]) == (403, "missing_ability")


async def test_a_token_in_the_address_counts_for_nothing(gateway: Harness, person: Person) -> None:
    query = {"token": person.token, "access_token": person.token}
    async with gateway.client() as client:
        answer = await client.get("/api/events", params=query)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_comment_comes_after_fifteen_seconds_without_an_event(
    gateway: Harness, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert events.COMMENT_SECONDS == 15
    monkeypatch.setattr(events, "COMMENT_SECONDS", 0.05)

    async with gateway.client(person.token) as client, event_stream(client, types="image.failed") as stream:
        reading = asyncio.create_task(stream.next())
        await until(lambda: stream.comments > 1)
        reading.cancel()

    assert not stream.seen


async def test_opening_counts_once_as_a_poll(gateway: Harness, people: People) -> None:
    someone = await people.new("enterprise")
    async with gateway.client(someone.token) as client:
        before = await client.get("/api/images/999999999")
        async with event_stream(client) as stream:
            opened = stream.answer

    policy = "RateLimit-Policy"
    assert before.headers[policy] == opened.headers[policy]
    left = [int(re.findall(r"r=(\d+)", one.headers["RateLimit"])[0]) for one in (before, opened)]
    assert left[0] - left[1] == 1


async def test_a_user_has_at_most_twenty_streams(gateway: Harness, people: People) -> None:
    greedy, other = await people.new("enterprise"), await people.new("enterprise")
    limits = httpx2.Limits(max_connections=None)
    async with (
        httpx2.AsyncClient(
            base_url=gateway.url,
            headers={"Authorization": f"Bearer {greedy.token}"},
            limits=limits,
            timeout=60,
        ) as client,
        gateway.client(other.token) as others_client,
    ):
        async with contextlib.AsyncExitStack() as streams:
            opened = [await streams.enter_async_context(event_stream(client)) for _ in range(20)]
            refused = await client.get("/api/events")
            async with event_stream(others_client):
                pass
        async with asyncio.timeout(20):
            while gateway.backend.hub._streams:
                await asyncio.sleep(0.02)
        async with event_stream(client):
            pass

    assert len(opened) == 20  # a reader that nobody keeps would close its stream
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_event_streams")
    assert int(refused.headers["Retry-After"]) > 0


async def test_a_revoked_token_ends_its_streams_at_once(gateway: Harness, people: People) -> None:
    someone = await people.new("enterprise")
    async with gateway.client(someone.token) as owner:
        created = await owner.post("/api/user/tokens", json={"name": "Second"})
        token = created.json()["data"]
        async with gateway.client(token["plain_text"]) as client:
            async with event_stream(client) as ending, event_stream(owner) as staying:
                await owner.delete(f"/api/user/tokens/{token['token']['id']}")
                last = await ending.next(seconds=10)
                await upload_image(owner, SMALL)
                await staying.until("image.accepted")
            answer = await client.get("/api/events")

    assert last is None
    assert answer.status_code == 401


async def test_a_draining_gateway_ends_streams_and_another_one_continues(
    stack: Stack, gateway: Harness, person: Person
) -> None:
    async with (
        gateway_on(settings_of(stack)) as first,
        first.client(person.token) as client,
        event_stream(client, types="image.accepted") as stream,
    ):
        known = await upload_image(client, SMALL)
        await stream.until("image.accepted")
        first.server.should_exit = True
        last = await stream.next()
    async with gateway.client(person.token) as client:
        missed = await upload_image(client, SMALL)
        async with event_stream(client, types="image.accepted", last_id=stream.last_id) as continued:
            accepted = await continued.until("image.accepted")

    assert (last, stream.retry) == (None, "1000")
    assert stream.seen[0].data["data"]["id"] == known
    assert accepted.data["data"]["id"] == missed
