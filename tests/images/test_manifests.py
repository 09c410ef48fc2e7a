"""Manifests: users share the fetches, and a fetch is exact whatever dies."""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import sqlalchemy as sa

from common import db, rpc
from common.channel import Channel
from common.identity import Verifier
from images import failing_hosts
from images.domain import fetches, turns
from images.events import Users
from images.fetcher import Fetcher
from images.tables import Image, Status
from loupe.auth.v1 import auth_pb2
from loupe.images.v1 import images_pb2 as pb
from loupe.outbound.v1 import outbound_pb2, outbound_pb2_grpc
from outbound.addresses import Addresses
from outbound.fetches import Fetches
from outbound.guard.client import Client
from outbound.rpc import CALLERS, OutboundService
from tests.contract.api_client import SMALL
from tests.images.harness import RULES, Harness, insert_image, list_keys, poll, serve
from tests.images.test_images_rpc import send_upload
from tests.images.upload_traces import set_plan
from tests.outbound.harness import CIPHER, POLICY
from tests.outbound.servers import answer, host

JANE, OMAR = 1, 2
PARALLEL = 4
NOWHERE = "127.0.0.1:1"
JPEG = answer(SMALL)
OUTBOUND = outbound_pb2.DESCRIPTOR.services_by_name["OutboundService"]


@pytest.fixture
async def outbound(harness: Harness) -> AsyncGenerator[str]:
    """Yield the address of an outbound that fetches from this machine."""
    server = rpc.Server(Verifier("outbound", harness.tokens.jwks), CALLERS)
    servicer = OutboundService(
        harness.sessions, Addresses(POLICY), Fetches(Client(POLICY), 30.0), CIPHER, db.now
    )
    outbound_pb2_grpc.add_OutboundServiceServicer_to_server(servicer, server.grpc)
    async with serve(server) as target:
        for user_id in (JANE, OMAR):
            await set_plan(harness, "professional", user_id)
        yield target


@contextlib.asynccontextmanager
async def fetching(harness: Harness, target: str, parallel: int = PARALLEL) -> AsyncGenerator[None]:
    """Fetch as one process of images does. At the end it is killed."""

    async def token() -> str:
        return harness.tokens.service("images", "outbound")

    channel = Channel(target, OUTBOUND, token)
    stub = outbound_pb2_grpc.OutboundServiceStub(channel.grpc)
    running = asyncio.create_task(Fetcher(harness.context, stub, parallel).run())
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await channel.close()


async def create(harness: Harness, user_id: int, *urls: str, **fields: Any) -> pb.Batch:
    items = [pb.CreateManifestRequest.Item(image_url=url) for url in urls]
    request = pb.CreateManifestRequest(items=items, max_scale=4, **fields)
    return (await harness.user(user_id).CreateManifest(request)).batch


async def execute(harness: Harness, statement: str) -> Any:
    async with harness.sessions.begin() as session:
        return await (await session.connection()).execute(sa.text(statement))


async def states(harness: Harness) -> Counter[str]:
    """Count the images by what their fetch has come to."""
    rows = await execute(harness, "SELECT status, original_bytes > 0 AS has_file FROM image")
    return Counter(f"{row.status}{' with file' if row.has_file else ''}" for row in rows)


async def until(harness: Harness, **wanted: int) -> None:
    async def reached() -> bool:
        return await states(harness) == {name.replace("_", " "): count for name, count in wanted.items()}

    await poll(reached)


async def is_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_manifest_of_a_thousand_leaves_places_for_others(harness: Harness, outbound: str) -> None:
    await set_plan(harness, "enterprise", JANE)
    async with host(is_silent) as slow, host(JPEG) as quick:
        large = await create(harness, JANE, *[slow.url] * 1000)
        async with fetching(harness, outbound):
            await poll(lambda: _holds(slow.connections == PARALLEL // 2))
            small = await create(harness, OMAR, quick.url, quick.url)
            await poll(lambda: _has_files(harness, small.id, 2))

            assert slow.connections == PARALLEL // 2
            assert (large.total_images, len(large.images)) == (1000, 100)
            assert await _has_files(harness, large.id, 0)


async def test_users_take_turns_at_free_places(harness: Harness, outbound: str) -> None:
    order, both_places = list[str](), asyncio.Barrier(2)

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        order.append(server.heads[-1].split()[1])
        if len(order) <= 6:  # while both users have files, no fetch may overtake that of the other place
            await both_places.wait()
        writer.write(JPEG)

    async with host(note) as server:
        url = f"http://127.0.0.1:{server.port}"
        await create(harness, JANE, *[f"{url}/jane"] * 12)
        await create(harness, OMAR, *[f"{url}/omar"] * 3)
        async with fetching(harness, outbound, parallel=2):
            await until(harness, pending_with_file=15)

    assert Counter(order) == {"/jane": 12, "/omar": 3}
    assert Counter(order[:6]) == {"/jane": 3, "/omar": 3}


async def test_two_processes_fetch_each_file_once(harness: Harness, outbound: str) -> None:
    async with host(JPEG) as server:
        await create(harness, JANE, *[server.url] * 12)
        async with fetching(harness, outbound), fetching(harness, outbound):
            await until(harness, pending_with_file=12)

        assert server.connections == 12
    assert len(await list_keys(harness)) == 12


async def test_a_killed_process_is_replaced_and_its_late_outcome_changes_nothing(
    harness: Harness, outbound: str
) -> None:
    async with host(is_silent) as slow:
        await create(harness, JANE, slow.url, slow.url)
        async with harness.sessions.begin() as session:
            lost = await fetches.claim(session, uuid.uuid4(), {}, 9, 9, 30)
        port = slow.port
    await execute(harness, "UPDATE image_source SET claimed_until = now()")
    async with host(JPEG, port=port), fetching(harness, outbound):
        await until(harness, pending_with_file=2)
    async with harness.sessions.begin() as session:
        late = [await fetches.lock(session, claim) for claim in lost]

    assert [claim.fence for claim in lost] == [1, 1]
    assert late == [None, None]


async def test_no_process_takes_a_claim_that_is_alive(harness: Harness, outbound: str) -> None:
    await create(harness, JANE, f"http://{NOWHERE}/", f"http://{NOWHERE}/")
    async with harness.sessions.begin() as session:
        first = await fetches.claim(session, uuid.uuid4(), {}, 9, 9, 30)
    async with harness.sessions.begin() as session:
        second = await fetches.claim(session, uuid.uuid4(), {}, 9, 9, 30)

    assert (len(first), second) == (2, [])


async def test_without_outbound_a_fetch_waits_and_fails_nothing(harness: Harness, outbound: str) -> None:
    async with host(JPEG) as server:
        await create(harness, JANE, server.url)
        async with fetching(harness, NOWHERE):
            await poll(lambda: _was_put_off(harness))
        before = await states(harness)
        await execute(harness, "UPDATE image_source SET due_at = now()")
        async with fetching(harness, outbound):
            await until(harness, pending_with_file=1)

    assert before == {"pending": 1}


async def test_a_host_that_is_busy_is_asked_again(harness: Harness, outbound: str) -> None:
    async def busy_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(JPEG if server.connections > 1 else answer(status="503 Service Unavailable"))

    async with host(busy_once) as server, fetching(harness, outbound):
        await create(harness, JANE, server.url)
        await until(harness, pending_with_file=1)

        assert server.connections == 2


async def test_a_host_is_left_alone_after_some_failures_of_a_users_links_in_a_row(
    harness: Harness, outbound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, links = 3, 12
    monkeypatch.setattr(failing_hosts, "MOST_IN_A_ROW", most)
    async with host(answer(status="404 Not Found")) as server, fetching(harness, outbound):
        await create(harness, JANE, *[server.url] * links)
        await until(harness, failed=links)

    assert most <= server.connections < most + PARALLEL
    assert await list_keys(harness) == []


async def test_a_fetch_that_fails_gives_its_place_back(harness: Harness, outbound: str) -> None:
    async with host(answer(status="404 Not Found")) as server, fetching(harness, outbound):
        await create(harness, JANE, server.url)
        await until(harness, failed=1)

    rows = await execute(harness, "SELECT subject FROM outbox")
    assert rows.scalars().all() == ["images.failed"]
    assert await list_keys(harness) == []


async def test_a_batch_cancelled_while_a_file_arrives_leaves_no_object(
    harness: Harness, outbound: str
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(JPEG[:-10])
        arrived.set()
        await go_on.wait()
        writer.write(JPEG[-10:])

    async with host(wait) as server, fetching(harness, outbound):
        batch = await create(harness, JANE, server.url)
        await arrived.wait()
        await harness.user(JANE).DeleteBatch(pb.DeleteBatchRequest(id=batch.id))
        go_on.set()
        await poll(lambda: _is_forgotten(harness))

    assert await states(harness) == {"failed": 1}
    assert await list_keys(harness) == []


async def test_a_deleted_account_leaves_nothing_to_fetch(harness: Harness, outbound: str) -> None:
    await create(harness, JANE, *[f"http://{NOWHERE}/"] * 5)

    await Users(harness.sessions, RULES).delete_data(auth_pb2.UserDeleted(user_id=JANE).SerializeToString())

    assert (await execute(harness, "SELECT count(*) FROM image_source")).scalar_one() == 0
    assert await states(harness) == {}
    with pytest.raises(Exception, match="Unauthenticated"):
        await create(harness, JANE, f"http://{NOWHERE}/")
    subjects = (await execute(harness, "SELECT subject FROM outbox")).scalars().all()
    assert Counter(subjects)["images.cancelled"] == 5
    assert await list_keys(harness) == []


async def test_an_image_without_a_file_gets_no_turn_and_no_place_in_the_stream(
    harness: Harness, outbound: str
) -> None:
    await create(harness, JANE, f"http://{NOWHERE}/")
    async with harness.sessions.begin() as session:
        await turns.give(session, None)
        let_in = await turns.let_in(session, 0, 30)

    [turn] = (await execute(harness, "SELECT turn FROM image")).scalars().all()
    assert (list(let_in), turn) == ([], -1.0)
    assert (await execute(harness, "SELECT subject FROM outbox")).scalars().all() == []


async def test_files_that_come_in_another_order_all_count_in_the_turns_of_their_user(
    harness: Harness,
) -> None:
    images = [await insert_image(harness.sessions, JANE, turn=-1.0) for _ in range(3)]
    for image in reversed(images):
        async with harness.sessions.begin() as session:
            found = await session.get_one(Image, image.id)
            found.turn = 0.0
            await session.flush()
            await turns.give(session, JANE)

    found = (await execute(harness, "SELECT turn FROM image ORDER BY id")).scalars().all()
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 3


async def test_an_upload_of_a_form_needs_no_fetch(harness: Harness) -> None:
    await harness.user(JANE).Upscale(send_upload())

    rows = await execute(harness, "SELECT status, reference FROM image")
    assert [tuple(row) for row in rows] == [(Status.PENDING, None)]
    assert (await execute(harness, "SELECT count(*) FROM image_source")).scalar_one() == 0


async def _holds(claim: bool) -> bool:
    return claim


async def _has_files(harness: Harness, batch_id: int, count: int) -> bool:
    rows = await execute(harness, "SELECT batch_id FROM image WHERE original_bytes > 0")
    return rows.scalars().all().count(batch_id) == count


async def _was_put_off(harness: Harness) -> bool:
    rows = await execute(harness, "SELECT due_at > now() FROM image_source WHERE fence > 0")
    return rows.scalars().all() == [True]


async def _is_forgotten(harness: Harness) -> bool:
    rows = await execute(harness, "SELECT due_at IS NULL AND claimed_until IS NULL FROM image_source")
    notes = await execute(harness, "SELECT count(*) FROM upload_intent")
    return rows.scalars().all() == [True] and notes.scalar_one() == 0
