"""Consumers: what returns is done once, what raises comes again and at last is given up; nothing is lost."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

import nats.errors
import nats.js.errors
import pytest
from nats.js import JetStreamContext

from common import bus, messages, trace
from loupe_local.stores import Stores
from tests.polling import until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull that was lost with its connection or its consumer is made again sooner."""
    monkeypatch.setattr(bus, "FETCH_SECONDS", 1.0)


def a_consumer(stream: str, **options: float | None) -> messages.Consumer:
    usual = {"ack_wait_seconds": 30.0, "longest_pause_seconds": 0.1}
    return messages.Consumer(stream=stream, durable="tests", subjects=(f"{stream}.>",), **(usual | options))  # pyright: ignore[reportArgumentType]


@contextlib.asynccontextmanager
async def consuming(
    js: JetStreamContext,
    consumer: messages.Consumer,
    handle: messages.Handler,
    give_up: messages.GiveUp | None = None,
    parallel: int = 1,
) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.create_task(bus.consume(js, consumer, handle, give_up, parallel=parallel))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def is_settled(js: JetStreamContext, stream: str) -> bool:
    """Whether the consumer has been given all there is and owes no answer."""
    try:
        info = await js.consumer_info(stream, "tests")
    except nats.js.errors.NotFoundError:
        return False
    return info.num_pending == 0 and info.num_ack_pending == 0


async def deliveries(js: JetStreamContext, stream: str) -> int:
    info = await js.consumer_info(stream, "tests")
    assert info.delivered is not None
    return info.delivered.consumer_seq


async def dead(js: JetStreamContext) -> int:
    return (await js.stream_info("DEAD")).state.messages


class Recorder:
    """A handler that raises `errors` one after the other and then returns."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.handled: list[bytes] = []
        self.at: list[float] = []
        self.given_up: list[tuple[bytes, Exception]] = []

    async def handle(self, data: bytes) -> None:
        self.handled.append(data)
        self.at.append(time.monotonic())
        if self._errors:
            raise self._errors.pop(0)

    async def give_up(self, data: bytes, error: Exception) -> None:
        self.given_up.append((data, error))


async def test_a_message_is_handled_once(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder()
    await js.publish(f"{stream}.a", b"1")

    async with consuming(js, a_consumer(stream), recorder.handle):
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"1"]
    assert await deliveries(js, stream) == 1


async def test_work_longer_than_ack_wait_is_delivered_once(js: JetStreamContext, stream: str) -> None:
    calls: list[bytes] = []

    async def slow(data: bytes) -> None:
        calls.append(data)
        await asyncio.sleep(2.5)  # the work

    await js.publish(f"{stream}.a", b"1")

    async with consuming(js, a_consumer(stream, ack_wait_seconds=1.0), slow, parallel=2):
        await until(lambda: calls)
        await until(lambda: is_settled(js, stream))

    assert calls == [b"1"]
    assert await deliveries(js, stream) == 1


async def test_what_raises_comes_again_after_a_pause(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder(ValueError("once"), ValueError("twice"))
    await js.publish(f"{stream}.a", b"1")

    async with consuming(
        js, a_consumer(stream, longest_pause_seconds=0.4), recorder.handle, recorder.give_up
    ):
        await until(lambda: len(recorder.handled) == 3)
        await until(lambda: is_settled(js, stream))

    first, second, third = recorder.at
    assert second - first >= 0.35
    assert third - second >= 0.35
    assert recorder.given_up == []
    assert await dead(js) == 0


async def test_a_message_that_is_put_back_is_another_places_at_once(
    js: JetStreamContext, stream: str
) -> None:
    """The place that put it back does something else meanwhile, in the name of another request."""
    requests: list[str] = []
    came_again = asyncio.Event()

    async def other_work() -> None:
        await came_again.wait()
        requests.append(trace.request_id.get())

    async def handle(data: bytes) -> None:
        if not is_put_back.is_set():
            is_put_back.set()
            raise messages.PutBack(other_work, trace.Origin("another-request"))
        came_again.set()

    is_put_back = asyncio.Event()
    await js.publish(f"{stream}.a", b"1")

    async with consuming(js, a_consumer(stream), handle, parallel=2):
        await until(lambda: requests)
        await until(lambda: is_settled(js, stream))

    assert requests == ["another-request"]
    assert await deliveries(js, stream) == 2


async def test_other_work_that_fails_stops_nothing(js: JetStreamContext, stream: str) -> None:
    async def failing() -> None:
        raise ValueError("other work")

    recorder = Recorder(messages.PutBack(failing, trace.Origin()))
    await js.publish(f"{stream}.a", b"1")

    async with consuming(js, a_consumer(stream), recorder.handle, recorder.give_up):
        await until(lambda: len(recorder.handled) == 2)
        await until(lambda: is_settled(js, stream))

    assert recorder.given_up == []
    assert await dead(js) == 0


def test_pauses_double_up_to_the_longest() -> None:
    consumer = messages.Consumer(stream="S", durable="d", subjects=("s",), longest_pause_seconds=30)

    assert [consumer.pause(attempt) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


async def test_the_last_attempt_is_given_up_and_kept_as_dead(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder(*(ValueError(f"no {number}\nat all") for number in range(9)))
    await js.publish(f"{stream}.a", b"hopeless")

    async with consuming(js, a_consumer(stream, max_attempts=3), recorder.handle, recorder.give_up):
        await until(lambda: recorder.given_up)
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"hopeless"] * 3
    [(data, error)] = recorder.given_up
    assert (data, str(error)) == (b"hopeless", "no 2\nat all")
    letter = await js.get_last_msg("DEAD", f"dead.{stream}.tests")
    assert letter.data == b"hopeless"
    assert letter.headers == {"Loupe-Subject": f"{stream}.a", "Loupe-Error": "ValueError: no 2 at all"}
    assert await dead(js) == 1


async def test_without_a_last_attempt_it_is_never_given_up(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder(*(ValueError() for _ in range(15)))
    await js.publish(f"{stream}.a", b"1")

    async with consuming(
        js, a_consumer(stream, longest_pause_seconds=0.01), recorder.handle, recorder.give_up
    ):
        await until(lambda: len(recorder.handled) == 16)
        await until(lambda: is_settled(js, stream))

    assert recorder.given_up == []


async def test_the_unprocessable_is_given_up_at_once(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder(messages.Unprocessable("gibberish"))
    await js.publish(f"{stream}.a", b"%&/")

    async with consuming(js, a_consumer(stream), recorder.handle, recorder.give_up):
        await until(lambda: recorder.given_up)
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"%&/"]
    assert await dead(js) == 1


async def test_a_broker_error_of_the_handler_counts_as_a_failed_attempt(
    js: JetStreamContext, stream: str
) -> None:
    """Such as a result too large to publish: it must not hide as a lost acknowledgement for ever."""
    recorder = Recorder(*(nats.errors.MaxPayloadError() for _ in range(9)))
    await js.publish(f"{stream}.a", b"1")

    async with consuming(js, a_consumer(stream, max_attempts=2), recorder.handle, recorder.give_up):
        await until(lambda: recorder.given_up)
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"1", b"1"]
    assert await dead(js) == 1


async def test_a_give_up_that_fails_is_tried_again(js: JetStreamContext, stream: str) -> None:
    calls: list[bytes] = []

    async def give_up(data: bytes, error: Exception) -> None:
        calls.append(data)
        if len(calls) == 1:
            raise ConnectionError("the database is away")

    recorder = Recorder(messages.Unprocessable(), messages.Unprocessable())
    await js.publish(f"{stream}.a", b"1")

    async with consuming(js, a_consumer(stream, ack_wait_seconds=1.0), recorder.handle, give_up):
        await until(lambda: len(calls) == 2)
        await until(lambda: is_settled(js, stream))

    assert await dead(js) == 1


async def test_one_failing_message_does_not_hold_up_the_next(js: JetStreamContext, stream: str) -> None:
    handled: list[bytes] = []

    async def handle(data: bytes) -> None:
        if data == b"bad":
            raise ValueError(data)
        handled.append(data)

    for data in (b"bad", b"1", b"2"):
        await js.publish(f"{stream}.a", data)

    async with consuming(js, a_consumer(stream, longest_pause_seconds=30.0), handle):
        await until(lambda: len(handled) == 2)

    assert handled == [b"1", b"2"]


async def test_a_cancelled_consumer_hands_its_message_back_at_once(js: JetStreamContext, stream: str) -> None:
    started = asyncio.Event()

    async def never(data: bytes) -> None:
        started.set()
        await asyncio.Event().wait()

    recorder = Recorder()
    await js.publish(f"{stream}.a", b"1")
    async with consuming(js, a_consumer(stream, ack_wait_seconds=60.0), never):
        await asyncio.wait_for(started.wait(), 10)

    async with consuming(js, a_consumer(stream, ack_wait_seconds=60.0), recorder.handle):
        await until(lambda: recorder.handled, seconds=10)


async def test_a_cancellation_that_is_lost_on_the_way_still_ends_the_consumer(
    js: JetStreamContext, stream: str
) -> None:
    """As `asyncio.wait_for` loses one that comes together with the result."""
    started = asyncio.Event()

    async def loses(data: bytes) -> None:
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    await js.publish(f"{stream}.a", b"1")
    async with consuming(js, a_consumer(stream), loses) as task:
        await asyncio.wait_for(started.wait(), 10)

        task.cancel()

        await asyncio.wait({task}, timeout=10)
        assert task.done()


async def test_so_many_are_handled_at_a_time(js: JetStreamContext, stream: str) -> None:
    running, most, release = 0, 0, asyncio.Event()

    async def handle(data: bytes) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    for _ in range(6):
        await js.publish(f"{stream}.a", b"")

    async with consuming(js, a_consumer(stream), handle, parallel=3):
        await until(lambda: running == 3)
        release.set()
        await until(lambda: is_settled(js, stream))

    assert most == 3


async def test_only_the_subjects_of_the_consumer_arrive(js: JetStreamContext, stream: str) -> None:
    consumer = messages.Consumer(stream=stream, durable="tests", subjects=(f"{stream}.a", f"{stream}.b.*"))
    recorder = Recorder()
    for subject in ("a", "b.1", "c", "b", "a.1"):
        await js.publish(f"{stream}.{subject}", subject.encode())

    async with consuming(js, consumer, recorder.handle):
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"a", b"b.1"]


async def test_a_consumer_that_was_deleted_is_made_again(js: JetStreamContext, stream: str) -> None:
    recorder = Recorder()

    async with consuming(js, a_consumer(stream), recorder.handle):
        await js.publish(f"{stream}.a", b"1")
        await until(lambda: recorder.handled)
        await until(lambda: is_settled(js, stream))
        await js.delete_consumer(stream, "tests")
        await js.publish(f"{stream}.a", b"2")
        await until(lambda: b"2" in recorder.handled)


async def test_declaring_a_stream_again_keeps_its_messages_and_takes_the_change(
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

    async with consuming(js, a_consumer(stream, ack_wait_seconds=2.0), handle):
        await asyncio.wait_for(half.wait(), 10)
        await stores.supervisor.kill("nats")
        killed.set()
        await stores.supervisor.restart("nats")
        await until(lambda: js._nc.is_connected)
        await until(lambda: set(handled) == numbers, seconds=40)
        await until(lambda: is_settled(js, stream), seconds=40)
        await js.publish(f"{stream}.a", b"after")
        await until(lambda: b"after" in handled)

    assert await dead(js) == 0


async def test_a_message_whose_consumer_died_comes_again_after_the_broker_was_killed(
    js: JetStreamContext, stream: str, stores: Stores
) -> None:
    """The broker forgets neither the message nor that it was never acknowledged."""
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

    async with consuming(js, a_consumer(stream, ack_wait_seconds=2.0), recorder.handle):
        await until(lambda: recorder.handled)
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"1"]
    await dying.unsubscribe()
