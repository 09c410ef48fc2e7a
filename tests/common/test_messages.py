"""One message is settled in one of three ways: done, retried later, or given up and kept as a dead letter."""

import asyncio
import contextlib

import nats.errors
import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from common import messages
from tests.common.consumers import (
    Recorder,
    build_consumer,
    count_dead,
    count_deliveries,
    is_settled,
    run_consumer,
)
from tests.polling import until


async def test_a_message_is_handled_once(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder()
    await js.publish(f"{stream}.a", b"1")

    async with run_consumer(js, build_consumer(stream), recorder.handle):
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"1"]
    assert await count_deliveries(js, stream) == 1


async def test_work_longer_than_ack_wait_is_delivered_once(js: JetStreamContext, stream: str) -> None:
    calls: list[bytes] = []

    async def slow(data: bytes) -> None:
        calls.append(data)
        await asyncio.sleep(2.5)  # the work

    await js.publish(f"{stream}.a", b"1")

    async with run_consumer(js, build_consumer(stream, ack_wait_seconds=1.0), slow, parallel=2):
        await until(lambda: calls)
        await until(lambda: is_settled(js, stream))

    assert calls == [b"1"]
    assert await count_deliveries(js, stream) == 1


async def test_a_handler_that_raises_receives_the_message_again_after_a_pause(
    js: JetStreamContext, stream: str
) -> None:
    recorder = Recorder(ValueError("once"), ValueError("twice"))
    await js.publish(f"{stream}.a", b"1")

    async with run_consumer(js, build_consumer(stream, longest_pause_seconds=0.4), recorder.handle):
        await until(lambda: len(recorder.handled) == 3)
        await until(lambda: is_settled(js, stream))

    first, second, third = recorder.handled_at
    assert second - first >= 0.35
    assert third - second >= 0.35
    assert await count_dead(js) == 0


def test_pauses_double_up_to_the_longest() -> None:
    consumer = messages.Consumer(stream="S", durable="d", subjects=("s",), longest_pause_seconds=30)

    assert [consumer.pause_seconds(attempt) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


async def test_a_message_is_given_up_after_its_last_attempt_and_kept_as_a_dead_letter(
    js: JetStreamContext, stream: str
) -> None:
    recorder = Recorder(*(ValueError(f"no {number}\nat all") for number in range(9)))
    await js.publish(f"{stream}.a", b"hopeless")

    async with run_consumer(js, build_consumer(stream, max_attempts=3), recorder.handle):
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"hopeless"] * 3
    letter = await js.get_last_msg("DEAD", f"dead.{stream}.tests")
    assert letter.data == b"hopeless"
    assert letter.headers == {"Loupe-Subject": f"{stream}.a", "Loupe-Error": "ValueError: no 2 at all"}
    assert await count_dead(js) == 1


async def test_a_message_without_a_last_attempt_is_never_given_up(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder(*(ValueError() for _ in range(15)))
    await js.publish(f"{stream}.a", b"1")

    async with run_consumer(js, build_consumer(stream, longest_pause_seconds=0.01), recorder.handle):
        await until(lambda: len(recorder.handled) == 16)
        await until(lambda: is_settled(js, stream))

    assert await count_dead(js) == 0


async def test_a_retry_later_never_counts_as_the_last_attempt(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder(*(messages.RetryLater("busy") for _ in range(5)))
    await js.publish(f"{stream}.a", b"1")

    async with run_consumer(
        js, build_consumer(stream, max_attempts=2, longest_pause_seconds=0.01), recorder.handle
    ):
        await until(lambda: len(recorder.handled) == 6)
        await until(lambda: is_settled(js, stream))

    assert await count_dead(js) == 0


async def test_an_unprocessable_message_is_given_up_at_once(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder(messages.Unprocessable("gibberish"))
    await js.publish(f"{stream}.a", b"%&/")

    async with run_consumer(js, build_consumer(stream), recorder.handle):
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"%&/"]
    assert await count_dead(js) == 1


async def test_a_broker_error_in_the_handler_counts_as_a_failed_attempt(
    js: JetStreamContext, stream: str
) -> None:
    """For example a result too large to publish. It must not pass for a lost acknowledgement for ever."""
    recorder = Recorder(*(nats.errors.MaxPayloadError() for _ in range(9)))
    await js.publish(f"{stream}.a", b"1")

    async with run_consumer(js, build_consumer(stream, max_attempts=2), recorder.handle):
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"1", b"1"]
    assert await count_dead(js) == 1


async def test_a_dead_letter_that_cannot_be_stored_is_tried_again(
    js: JetStreamContext, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker refuses the end of the message once. It delivers the message again after `ack_wait`."""
    terminate, refused = Msg.term, list[str]()

    async def refuse_once(message: Msg) -> None:
        if not refused:
            refused.append(message.subject)
            raise nats.errors.TimeoutError
        await terminate(message)

    monkeypatch.setattr(Msg, "term", refuse_once)
    recorder = Recorder(messages.Unprocessable(), messages.Unprocessable())
    await js.publish(f"{stream}.a", b"1")

    async with run_consumer(js, build_consumer(stream, ack_wait_seconds=1.0), recorder.handle):
        await until(lambda: len(recorder.handled) == 2)
        await until(lambda: is_settled(js, stream))

    assert await count_dead(js) == 2


async def test_one_failing_message_does_not_hold_up_the_next(js: JetStreamContext, stream: str) -> None:
    handled: list[bytes] = []

    async def handle(data: bytes) -> None:
        if data == b"bad":
            raise ValueError(data)
        handled.append(data)

    for data in (b"bad", b"1", b"2"):
        await js.publish(f"{stream}.a", data)

    async with run_consumer(js, build_consumer(stream, longest_pause_seconds=30.0), handle):
        await until(lambda: len(handled) == 2)

    assert handled == [b"1", b"2"]


async def test_a_cancelled_consumer_hands_its_message_back_at_once(js: JetStreamContext, stream: str) -> None:
    started = asyncio.Event()

    async def never(data: bytes) -> None:
        started.set()
        await asyncio.Event().wait()

    recorder = Recorder()
    await js.publish(f"{stream}.a", b"1")
    async with run_consumer(js, build_consumer(stream, ack_wait_seconds=60.0), never):
        await asyncio.wait_for(started.wait(), 10)

    async with run_consumer(js, build_consumer(stream, ack_wait_seconds=60.0), recorder.handle):
        await until(lambda: recorder.handled, seconds=10)


async def test_a_cancellation_that_is_lost_on_the_way_still_ends_the_consumer(
    js: JetStreamContext, stream: str
) -> None:
    """`asyncio.wait_for` loses a cancellation that arrives together with the result."""
    started = asyncio.Event()

    async def loses(data: bytes) -> None:
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    await js.publish(f"{stream}.a", b"1")
    async with run_consumer(js, build_consumer(stream), loses) as task:
        await asyncio.wait_for(started.wait(), 10)

        task.cancel()

        await asyncio.wait({task}, timeout=10)
        assert task.done()
