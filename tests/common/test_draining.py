"""A process that stops gives its messages to the others, not to its own pulls that are still open."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest
from nats.js import JetStreamContext

from common import bus
from common.metrics import Readiness
from loupe_local.stores import Stores
from tests.common.consumers import Recorder, build_consumer, count_deliveries, is_settled, run_consumer
from tests.polling import until


@pytest.fixture
async def next_process(stores: Stores) -> AsyncGenerator[JetStreamContext]:
    """Yield the broker as another process sees it."""
    async with bus.connection(stores.nats_url("operator"), "next", Readiness("broker")) as client:
        yield client.jetstream()


@pytest.mark.parametrize("idle_places", [0, 1, 7])
async def test_a_message_under_way_goes_to_the_next_process(
    js: JetStreamContext, next_process: JetStreamContext, stream: str, idle_places: int
) -> None:
    """The ack wait is an hour, so nothing but the stopping process can give the message to the next one."""
    consumer, recorder = build_consumer(stream, ack_wait_seconds=3600.0), Recorder()
    has_started, forever = asyncio.Event(), asyncio.Event()

    async def handle(data: bytes) -> None:
        has_started.set()
        await forever.wait()

    async with run_consumer(js, consumer, handle, parallel=1 + idle_places):
        await js.publish(f"{stream}.a", b"1")
        await has_started.wait()
        await until_all_places_wait(js, stream, idle_places)
    async with run_consumer(next_process, consumer, recorder.handle):
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"1"]
    assert await count_deliveries(js, stream) == 2


async def test_the_next_process_may_already_wait(
    js: JetStreamContext, next_process: JetStreamContext, stream: str
) -> None:
    consumer, recorder = build_consumer(stream, ack_wait_seconds=3600.0), Recorder()
    has_started, forever = asyncio.Event(), asyncio.Event()

    async def handle(data: bytes) -> None:
        has_started.set()
        await forever.wait()

    async with contextlib.AsyncExitStack() as stack:
        async with run_consumer(js, consumer, handle, parallel=4):
            await js.publish(f"{stream}.a", b"1")
            await has_started.wait()
            await stack.enter_async_context(run_consumer(next_process, consumer, recorder.handle, parallel=4))
            await until_all_places_wait(js, stream, 7)
        await until(lambda: is_settled(js, stream))

    assert recorder.handled == [b"1"]


async def until_all_places_wait(js: JetStreamContext, stream: str, places: int) -> None:
    async def are_waiting() -> bool:
        return ((await js.consumer_info(stream, "tests")).num_waiting or 0) >= places

    await until(are_waiting)
