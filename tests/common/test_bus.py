"""Consumers receive only their subjects, several messages at a time, and lose none when the broker dies."""

import asyncio

import nats.js.errors
import pytest
from nats.js import JetStreamContext

from common import bus, messages, pulls
from loupe_local.stores import Stores
from tests.common.consumers import Recorder, build_consumer, count_dead, is_settled, run_consumer
from tests.polling import until


@pytest.fixture(autouse=True)
def short_pulls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat a pull that was lost with its connection or its consumer after one second."""
    monkeypatch.setattr(pulls, "WAIT_SECONDS", 1.0)


async def test_parallel_messages_are_handled_at_the_same_time(js: JetStreamContext, stream: str) -> None:
    running, most, release = 0, 0, asyncio.Event()

    async def handle(data: bytes) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    for _ in range(6):
        await js.publish(f"{stream}.a", b"")

    async with run_consumer(js, build_consumer(stream), handle, parallel=3):
        await until(lambda: running == 3)
        release.set()
        await until(lambda: is_settled(js, stream))

    assert most == 3


async def test_only_the_subjects_of_the_consumer_arrive(js: JetStreamContext, stream: str) -> None:
    consumer = messages.Consumer(stream=stream, durable="tests", subjects=(f"{stream}.a", f"{stream}.b.*"))
    recorder = Recorder()
    for subject in ("a", "b.1", "c", "b", "a.1"):
        await js.publish(f"{stream}.{subject}", subject.encode())

    async with run_consumer(js, consumer, recorder.handle):
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"a", b"b.1"]


async def test_a_deleted_consumer_is_declared_again(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder()

    async with run_consumer(js, build_consumer(stream), recorder.handle):
        await js.publish(f"{stream}.a", b"1")
        await until(lambda: recorder.handled)
        await until(lambda: is_settled(js, stream))
        await js.delete_consumer(stream, "tests")
        await js.publish(f"{stream}.a", b"2")
        await until(lambda: b"2" in recorder.handled)


async def test_build_consumer_waits_for_its_stream(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder()
    await js.delete_stream(stream)

    async with run_consumer(js, build_consumer(stream), recorder.handle):
        with pytest.raises(nats.js.errors.NotFoundError):
            await js.stream_info(stream)
        await bus.declare(js, bus.stream(stream, f"{stream}.>"))
        await js.publish(f"{stream}.a", b"1")
        await until(lambda: recorder.handled)


async def test_declaring_a_stream_again_keeps_its_messages_and_applies_the_change(
    js: JetStreamContext, stream: str
) -> None:
    await js.publish(f"{stream}.a", b"1")

    await bus.declare(js, bus.stream(stream, f"{stream}.>", days=1))

    info = await js.stream_info(stream)
    assert info.state.messages == 1
    assert info.config.max_age == 86_400


async def test_a_killed_broker_loses_nothing(js: JetStreamContext, stream: str, stores: Stores) -> None:
    numbers = {str(number).encode() for number in range(20)}
    handled: list[bytes] = []
    half, killed = asyncio.Event(), asyncio.Event()

    async def handle(data: bytes) -> None:
        handled.append(data)
        if len(handled) == 10:
            half.set()
            await killed.wait()

    for number in sorted(numbers):
        await js.publish(f"{stream}.a", number)

    async with run_consumer(js, build_consumer(stream, ack_wait_seconds=2.0), handle):
        await asyncio.wait_for(half.wait(), 10)
        await stores.supervisor.kill("nats")
        killed.set()
        await stores.supervisor.restart("nats")
        await until(lambda: js._nc.is_connected)
        await until(lambda: set(handled) == numbers, seconds=40)
        await until(lambda: is_settled(js, stream), seconds=40)
        await js.publish(f"{stream}.a", b"after")
        await until(lambda: b"after" in handled)

    assert await count_dead(js) == 0


async def test_an_unacknowledged_message_survives_a_killed_broker(
    js: JetStreamContext, stream: str, stores: Stores
) -> None:
    recorder = Recorder()
    await js.publish(f"{stream}.a", b"1")
    await js.add_consumer(
        stream,
        bus.api.ConsumerConfig(durable_name="tests", ack_wait=2.0, ack_policy=bus.api.AckPolicy.EXPLICIT),
    )
    dying = await js.pull_subscribe_bind("tests", stream)
    await dying.fetch(1, timeout=5)
    await stores.supervisor.kill("nats")
    await stores.supervisor.restart("nats")
    await until(lambda: js._nc.is_connected)

    async with run_consumer(js, build_consumer(stream, ack_wait_seconds=2.0), recorder.handle):
        await until(lambda: recorder.handled)
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"1"]
    await dying.unsubscribe()
