"""Consumers of the test's own stream, and handlers that record what they receive."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

import nats.js.errors
from nats.js import JetStreamContext

from common import bus, messages


def build_consumer(stream: str, **options: float | None) -> messages.Consumer:
    defaults = {"ack_wait_seconds": 30.0, "longest_pause_seconds": 0.1}
    subjects = (f"{stream}.>",)
    return messages.Consumer(stream=stream, durable="tests", subjects=subjects, **(defaults | options))  # pyright: ignore[reportArgumentType]


@contextlib.asynccontextmanager
async def run_consumer(
    js: JetStreamContext, consumer: messages.Consumer, handle: messages.Handler, parallel: int = 1
) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.create_task(bus.consume(js, consumer, handle, parallel=parallel))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def is_settled(js: JetStreamContext, stream: str, durable: str = "tests") -> bool:
    """Return whether every message was delivered and settled."""
    try:
        info = await js.consumer_info(stream, durable)
    except nats.js.errors.NotFoundError:
        return False
    # the broker counts pending messages only a moment after it has created the consumer
    assert info.delivered is not None
    is_delivered = info.delivered.consumer_seq > 0
    return is_delivered and info.num_pending == 0 and info.num_ack_pending == 0


async def count_deliveries(js: JetStreamContext, stream: str, durable: str = "tests") -> int:
    info = await js.consumer_info(stream, durable)
    assert info.delivered is not None
    return info.delivered.consumer_seq


async def count_dead(js: JetStreamContext) -> int:
    return (await js.stream_info("DEAD")).state.messages


class Recorder:
    """A handler that records each message. It raises the given errors one by one, and then returns."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.handled: list[bytes] = []
        self.handled_at: list[float] = []

    async def handle(self, data: bytes) -> None:
        self.handled.append(data)
        self.handled_at.append(time.monotonic())
        if self._errors:
            raise self._errors.pop(0)
