"""A worker consumes several durables: the preferred one first, and no message waits for a busy worker."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

import nats.errors
import pytest
from nats.js import JetStreamContext, api

from common import bus, messages, pulls
from loupe_local.stores import Stores
from tests.common.consumers import count_deliveries, is_settled
from tests.polling import until


@pytest.fixture
async def queue(js: JetStreamContext, stream: str) -> str:
    """Return the name of a work queue with two subjects."""
    await js.delete_stream(stream)
    await bus.declare(js, bus.stream(stream, f"{stream}.first", f"{stream}.second", work_queue=True))
    return stream


def durables(queue: str, ack_wait_seconds: float = 30.0) -> tuple[messages.Consumer, messages.Consumer]:
    first, second = (
        messages.Consumer(
            stream=queue,
            durable=name,
            subjects=(f"{queue}.{name}",),
            ack_wait_seconds=ack_wait_seconds,
            longest_pause_seconds=0.1,
        )
        for name in ("first", "second")
    )
    return first, second


class Worker:
    """A worker that records the messages that it receives.

    While `is_open` is not set, it stays busy with a message.
    """

    def __init__(self, preference: Sequence[messages.Consumer]) -> None:
        self.preference = preference
        self.received: list[tuple[str, bytes]] = []
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def handle(self, data: bytes, consumer: messages.Consumer) -> None:
        self.received.append((consumer.durable, data))
        await self.is_open.wait()

    @contextlib.asynccontextmanager
    async def running(self, js: JetStreamContext, parallel: int = 1) -> AsyncGenerator[asyncio.Task[None]]:
        consuming = bus.consume_by_preference(js, lambda: self.preference, self.handle, parallel=parallel)
        task = asyncio.create_task(consuming)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})


async def are_waiting(js: JetStreamContext, queue: str, workers: int = 1) -> bool:
    """Return whether this many workers wait at both durables."""
    try:
        infos = [await js.consumer_info(queue, name) for name in ("first", "second")]
    except nats.errors.Error:
        return False
    return all(info.num_waiting == workers for info in infos)


async def test_messages_of_the_preferred_durable_come_first(js: JetStreamContext, queue: str) -> None:
    worker = Worker(durables(queue))
    for number in range(3):
        await js.publish(f"{queue}.second", str(number).encode())
        await js.publish(f"{queue}.first", str(number).encode())

    async with worker.running(js):
        await until(lambda: len(worker.received) == 6)

    assert worker.received == [
        (name, number) for name in ("first", "second") for number in (b"0", b"1", b"2")
    ]


async def test_the_preference_is_read_again_for_each_message(js: JetStreamContext, queue: str) -> None:
    worker = Worker(durables(queue))
    handle = worker.handle

    async def handle_and_reverse(data: bytes, consumer: messages.Consumer) -> None:
        worker.preference = worker.preference[::-1]
        await handle(data, consumer)

    worker.handle = handle_and_reverse
    for _ in range(2):
        await js.publish(f"{queue}.first", b"")
        await js.publish(f"{queue}.second", b"")

    async with worker.running(js):
        await until(lambda: len(worker.received) == 4)

    assert [name for name, _ in worker.received] == ["first", "second", "first", "second"]


@pytest.mark.parametrize("name", ["first", "second"])
async def test_an_idle_worker_waits_at_all_durables(
    js: JetStreamContext, queue: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would receive nothing for an hour if it waited at the other durable only."""
    monkeypatch.setattr(pulls, "WAIT_SECONDS", 3600.0)
    worker = Worker(durables(queue))

    async with worker.running(js):
        await until(lambda: are_waiting(js, queue))
        await js.publish(f"{queue}.{name}", b"1")
        await until(lambda: worker.received)
        await until(lambda: is_settled(js, queue, name))

    assert await count_deliveries(js, queue, name) == 1


async def test_a_message_for_a_busy_worker_goes_to_a_free_one_at_once(
    js: JetStreamContext, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pull of the busy worker cannot be cancelled. Its message must not wait for `ack_wait`."""
    monkeypatch.setattr(pulls, "WAIT_SECONDS", 3600.0)
    consumers = durables(queue, ack_wait_seconds=3600.0)
    busy, free = Worker(consumers), Worker(consumers)
    busy.is_open.clear()

    async with busy.running(js):
        await until(lambda: are_waiting(js, queue))
        await js.publish(f"{queue}.first", b"1")
        await until(lambda: busy.received)
        async with free.running(js):
            await until(lambda: is_waiting_at(js, queue, "second", workers=2))
            await js.publish(f"{queue}.second", b"2")
            await until(lambda: free.received)
        busy.is_open.set()
        await until(lambda: is_settled(js, queue, "first"))

    assert (busy.received, free.received) == ([("first", b"1")], [("second", b"2")])


async def test_a_message_for_a_busy_worker_waits_for_it_if_there_is_no_other_worker(
    js: JetStreamContext, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulls, "WAIT_SECONDS", 3600.0)
    worker = Worker(durables(queue, ack_wait_seconds=3600.0))
    worker.is_open.clear()

    async with worker.running(js):
        await until(lambda: are_waiting(js, queue))
        await js.publish(f"{queue}.first", b"1")
        await until(lambda: worker.received)
        await js.publish(f"{queue}.second", b"2")
        await until(lambda: is_given_back(js, queue, "second"))
        worker.is_open.set()
        await until(lambda: len(worker.received) == 2)
        await until(lambda: is_settled(js, queue, "second"))

    assert worker.received == [("first", b"1"), ("second", b"2")]


async def is_waiting_at(js: JetStreamContext, queue: str, name: str, workers: int) -> bool:
    return (await js.consumer_info(queue, name)).num_waiting == workers


async def is_given_back(js: JetStreamContext, queue: str, name: str) -> bool:
    """Return whether a message was delivered once, and no worker has it now."""
    info = await js.consumer_info(queue, name)
    return await count_deliveries(js, queue, name) >= 1 and info.num_waiting == 0 and not info.num_redelivered


async def test_a_worker_that_stops_leaves_no_pull_behind(
    js: JetStreamContext, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that is delivered to a stopped worker would wait for `ack_wait`."""
    monkeypatch.setattr(pulls, "WAIT_SECONDS", 3600.0)
    consumers = durables(queue, ack_wait_seconds=3600.0)
    stopped, next_ = Worker(consumers), Worker(consumers)
    async with stopped.running(js, parallel=3):
        await until(lambda: are_waiting(js, queue, workers=3))

    for name in ("first", "second"):
        await js.publish(f"{queue}.{name}", b"1")
    async with next_.running(js):
        await until(lambda: len(next_.received) == 2)

    assert stopped.received == []
    assert [await count_deliveries(js, queue, name) for name in ("first", "second")] == [1, 1]


async def test_a_busy_worker_that_stops_gives_both_messages_back(js: JetStreamContext, queue: str) -> None:
    consumers = durables(queue, ack_wait_seconds=3600.0)
    stopped, next_ = Worker(consumers), Worker(consumers)
    stopped.is_open.clear()
    async with stopped.running(js):
        await until(lambda: are_waiting(js, queue))
        await js.publish(f"{queue}.first", b"1")
        await until(lambda: stopped.received)
        await js.publish(f"{queue}.second", b"2")

    async with next_.running(js):
        await until(lambda: len(next_.received) == 2)

    assert sorted(next_.received) == [("first", b"1"), ("second", b"2")]


async def test_a_retired_durable_is_consumed_while_its_stream_exists(
    js: JetStreamContext, queue: str
) -> None:
    first, _ = durables(queue)
    retired = messages.Consumer(stream=f"{queue}-old", durable="old", subjects=("old.*",), is_retired=True)
    await bus.declare(js, bus.stream(f"{queue}-old", "old.*", work_queue=True))
    worker = Worker((first, retired))

    async with worker.running(js):
        await js.publish("old.a", b"1")
        await until(lambda: worker.received)
        await until(lambda: is_settled(js, f"{queue}-old", "old"))
        await js.delete_stream(f"{queue}-old")
        await js.publish(f"{queue}.first", b"2")
        await until(lambda: len(worker.received) == 2)

    assert worker.received == [("old", b"1"), ("first", b"2")]


async def test_a_missing_stream_does_not_hold_up_the_others(js: JetStreamContext, queue: str) -> None:
    """A new worker may run beside the previous release, which declares the old streams only."""
    first, _ = durables(queue)
    missing = messages.Consumer(stream="MISSING", durable="tests", subjects=("missing",))
    worker = Worker((missing, first))
    await js.publish(f"{queue}.first", b"1")

    async with worker.running(js):
        await until(lambda: worker.received)
        await bus.declare(js, bus.stream("MISSING", "missing"))
        await js.publish("missing", b"2")
        await until(lambda: len(worker.received) == 2)
    await js.delete_stream("MISSING")

    assert worker.received == [("first", b"1"), ("tests", b"2")]


async def test_an_idle_place_waits_again_as_soon_as_a_killed_broker_is_back(
    js: JetStreamContext, queue: str, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pulls have died with the connection, and nobody answers them."""
    monkeypatch.setattr(pulls, "WAIT_SECONDS", 3600.0)
    worker = Worker(durables(queue))

    async with worker.running(js):
        await until(lambda: are_waiting(js, queue))
        await stores.supervisor.kill("nats")
        await stores.supervisor.restart("nats")
        await until(lambda: js._nc.is_connected)
        await js.publish(f"{queue}.second", b"1")
        await until(lambda: worker.received)
        await until(lambda: is_settled(js, queue, "second"))

    assert worker.received == [("second", b"1")]


async def test_a_durable_that_nobody_declares_in_time_does_not_hold_up_the_others(
    js: JetStreamContext, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that has its stream may be away, and then the broker does not answer."""
    first, second = durables(queue)
    declare, is_back = js.add_consumer, asyncio.Event()

    async def declare_late(stream: str, config: api.ConsumerConfig) -> api.ConsumerInfo:
        if config.durable_name == "first":
            await is_back.wait()
        return await declare(stream, config)

    monkeypatch.setattr(js, "add_consumer", declare_late)
    worker = Worker((first, second))
    for name in ("first", "second"):
        await js.publish(f"{queue}.{name}", b"1")

    async with worker.running(js):
        await until(lambda: worker.received == [("second", b"1")])
        is_back.set()
        await until(lambda: worker.received == [("second", b"1"), ("first", b"1")])
        await until(lambda: is_settled(js, queue, "first"))
