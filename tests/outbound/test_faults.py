"""Receivers of every bad kind, and a process that dies: an event is sent again, and nobody else waits."""

import asyncio

import pytest

from outbound.domain import attempts
from tests.outbound.harness import JANE, OMAR, OutboundHarness
from tests.outbound.receiver import Handler, Reply, answer, receiver

OK_HEAD = b"HTTP/1.1 200 OK\r\n"


def silent(first: bytes = b"") -> Handler:
    """Return a receiver that sends this and then nothing, until outbound hangs up."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await reader.read()

    return reply


def dripping(first: bytes = b"") -> Handler:
    """Return a receiver that sends one byte after the other for ever, and this before."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    return reply


def endless(first: bytes) -> Handler:
    """Return a receiver that sends as much as outbound takes."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(bytes(1 << 16))
            await writer.drain()

    return reply


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the headers, and then break the connection off."""
    writer.write(OK_HEAD + b"Content-Length: 100\r\n\r\n")
    await writer.drain()
    writer.transport.abort()


FAILURES: dict[str, tuple[Reply, int | None, str]] = {
    "answers 500": (answer(500), 500, ""),
    "redirects to a private address": (answer(302, Location="http://10.0.0.1/"), 302, ""),
    "never answers": (silent(), None, "too_slow"),
    "never ends its headers": (dripping(OK_HEAD + b"X-Slow: "), None, "too_slow"),
    "hangs up": (b"", None, "answer_invalid"),
    "speaks no HTTP": (b"220 mail.example.com\r\n\r\n", None, "answer_invalid"),
}
SUCCESSES: dict[str, Reply] = {
    "answers one byte a second": dripping(OK_HEAD + b"Content-Length: 1000000\r\n\r\n"),
    "answers 1 GB": endless(OK_HEAD + b"Content-Length: 1073741824\r\n\r\n"),
    "never ends its answer": silent(OK_HEAD + b"Content-Length: 9\r\n\r\nhalf"),
    "resets after the headers": reset,
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_a_receiver_that_does_not_take_an_event_gets_it_again(
    outbound: OutboundHarness, kind: str
) -> None:
    reply, status_code, error = FAILURES[kind]
    hasty = outbound.another_deliverer(answer_seconds=1)
    async with receiver(reply, answer(204)) as target:
        webhook = (await outbound.create(target.url)).webhook
        event_id = await outbound.happen_about_webhook(webhook.id)
        await outbound.deliver(hasty)
        [failed] = await outbound.log(webhook.id)
        outbound.clock.forward(seconds=6)
        await outbound.deliver(hasty)

    [delivered] = await outbound.log(webhook.id)
    assert failed.status == "waiting"
    assert (failed.status_code if failed.HasField("status_code") else None) == status_code
    assert failed.error == error
    assert delivered.status == "delivered"
    assert target.ids == [event_id] * 2


@pytest.mark.parametrize("kind", SUCCESSES)
async def test_an_answer_counts_by_its_status_whatever_follows(outbound: OutboundHarness, kind: str) -> None:
    async with receiver(SUCCESSES[kind]) as target:
        webhook = (await outbound.create(target.url)).webhook
        await outbound.happen_about_webhook(webhook.id)
        await outbound.deliver()

    [delivery] = await outbound.log(webhook.id)
    assert (delivery.status, delivery.status_code, len(target.received)) == ("delivered", 200, 1)
    assert len(delivery.answer) <= 2048


async def test_a_webhook_whose_address_became_private_is_not_called(outbound: OutboundHarness) -> None:
    async with receiver() as target:
        webhook = (await outbound.create(target.url)).webhook
        await outbound.change("UPDATE webhook SET url = 'http://10.0.0.1/'")
        await outbound.happen_about_webhook(webhook.id)
        await outbound.deliver()

    [delivery] = await outbound.log(webhook.id)
    assert delivery.error == "address_refused"


async def test_a_delivery_whose_process_died_is_made_again_under_the_same_id(
    outbound: OutboundHarness,
) -> None:
    async with receiver() as target:
        webhook = (await outbound.create(target.url)).webhook
        event_id = await outbound.happen_about_webhook(webhook.id)
        dead = await outbound.claim()
        await outbound.deliver()
        assert dead
        assert target.received == []
        outbound.clock.forward(seconds=61)
        await outbound.deliver()

    assert target.ids == [event_id]


async def test_a_late_end_of_a_lost_lease_changes_nothing(outbound: OutboundHarness) -> None:
    async with receiver() as target:
        webhook = (await outbound.create(target.url)).webhook
        await outbound.happen_about_webhook(webhook.id)
        late = await outbound.claim()
        outbound.clock.forward(seconds=61)
        await outbound.deliver()
    assert late

    async with outbound.sessions.begin() as session:
        failure = attempts.Result(error="too_slow")
        recorded = await attempts.record(session, late, failure, outbound.clock())

    [delivery] = await outbound.log(webhook.id)
    assert recorded is None
    assert delivery.status == "delivered"


async def test_two_processes_never_make_the_same_delivery(outbound: OutboundHarness) -> None:
    async with receiver() as target:
        webhook = (await outbound.create(target.url)).webhook
        ids = [await outbound.happen_about_webhook(webhook.id) for _ in range(40)]
        workers = [outbound.another_deliverer() for _ in range(3)]
        await asyncio.gather(*(outbound.deliver(worker) for worker in workers))
        await outbound.deliver()

    assert sorted(target.ids) == sorted(ids)


async def test_at_most_four_deliveries_are_made_to_a_webhook_at_a_time(outbound: OutboundHarness) -> None:
    webhook = (await outbound.create()).webhook
    for _ in range(6):
        await outbound.happen_about_webhook(webhook.id)

    claims = [await outbound.claim() for _ in range(6)]

    assert [bool(each) for each in claims] == [True] * 4 + [False] * 2


async def test_at_most_four_deliveries_of_a_user_are_made_to_a_host_at_a_time(
    outbound: OutboundHarness,
) -> None:
    for user_id in (JANE, JANE, JANE, OMAR):
        webhook = (await outbound.create(user_id=user_id)).webhook
        for _ in range(3):
            await outbound.happen_about_webhook(webhook.id, user_id)

    claims = [claim for _ in range(20) if (claim := await outbound.claim())]

    assert sorted(claim.delivery.user_id for claim in claims) == [JANE] * 4 + [OMAR] * 3


async def test_an_installation_makes_no_more_deliveries_to_a_host_than_its_setting(
    outbound: OutboundHarness,
) -> None:
    for user_id in (JANE, OMAR, 9):
        webhook = (await outbound.create(user_id=user_id)).webhook
        for _ in range(3):
            await outbound.happen_about_webhook(webhook.id, user_id)

    claims = [await outbound.claim(most_per_host=5) for _ in range(20)]

    assert len([each for each in claims if each]) == 5


async def test_users_take_turns_and_so_do_the_webhooks_of_a_user(outbound: OutboundHarness) -> None:
    first = (await outbound.create("http://127.0.0.1:9/")).webhook.id
    second = (await outbound.create("http://127.0.0.2:9/")).webhook.id
    theirs = (await outbound.create("http://127.0.0.3:9/", user_id=OMAR)).webhook.id
    for webhook_id, user_id in ((first, JANE), (second, JANE), (theirs, OMAR)):
        for _ in range(3):
            await outbound.happen_about_webhook(webhook_id, user_id)

    order: list[int] = []
    for _ in range(6):
        outbound.clock.forward(seconds=0.001)
        claim = await outbound.claim()
        assert claim
        order.append(claim.delivery.webhook_id or 0)

    assert [webhook_id == theirs for webhook_id in order] in ([False, True] * 3, [True, False] * 3)
    assert sorted(order[:4]) == sorted([first, second, theirs, theirs])


async def test_a_full_lane_is_looked_at_again_when_a_delivery_ends(outbound: OutboundHarness) -> None:
    async with receiver() as target:
        webhook = (await outbound.create(target.url)).webhook
        for _ in range(9):
            await outbound.happen_about_webhook(webhook.id)
        await outbound.deliver()

    assert len(target.received) == 9


async def test_old_deliveries_and_those_of_deleted_webhooks_leave_the_log(outbound: OutboundHarness) -> None:
    async with receiver() as target:
        old = (await outbound.create(target.url)).webhook
        await outbound.happen_about_webhook(old.id)
        await outbound.deliver()
        outbound.clock.forward(days=20)
        deleted = (await outbound.create(target.url)).webhook
        await outbound.happen_about_webhook(deleted.id)
        await outbound.delete(deleted.id)
        outbound.clock.forward(days=11)
        recent = await outbound.happen_about_webhook(old.id)

        await outbound.clean()

    assert await outbound.rows("SELECT event_id FROM delivery") == [(recent,)]
    assert await outbound.rows("SELECT webhook_id FROM lane") == [(old.id,)]
