"""A stream that the broker has lost is declared again, and the process is not ready meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import nats.js.errors
import pytest
from nats.js import JetStreamContext

from common import bus, streams
from common.metrics import Readiness
from common.streams import Streams
from tests.common.consumers import Recorder, build_consumer, run_consumer
from tests.polling import until


@pytest.fixture
def readiness() -> Readiness:
    return Readiness("streams")


@contextlib.asynccontextmanager
async def keeping(js: JetStreamContext, readiness: Readiness, *names: str) -> AsyncGenerator[Streams]:
    kept = Streams(js, readiness, *(bus.stream(name, f"{name}.>") for name in names))
    await kept.declare()
    task = asyncio.create_task(kept.keep_declared())
    try:
        yield kept
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _short_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)


async def test_a_process_is_not_ready_before_its_streams_are_declared(
    js: JetStreamContext, stream: str, readiness: Readiness
) -> None:
    kept = Streams(js, readiness, bus.stream(stream, f"{stream}.>"))
    assert readiness.missing() == ["streams"]

    await kept.declare()

    assert readiness.missing() == []


async def test_a_lost_stream_and_its_consumer_work_again(
    js: JetStreamContext, stream: str, readiness: Readiness
) -> None:
    recorder = Recorder()
    async with keeping(js, readiness, stream), run_consumer(js, build_consumer(stream), recorder.handle):
        await js.publish(f"{stream}.a", b"1")
        await until(lambda: recorder.handled == [b"1"])

        await js.delete_stream(stream)
        await until(lambda: is_declared(js, stream))
        await js.publish(f"{stream}.a", b"2")

        await until(lambda: recorder.handled == [b"1", b"2"])
        assert readiness.missing() == []


async def test_a_stream_that_cannot_be_declared_makes_the_process_unready_until_it_can(
    js: JetStreamContext, stream: str, readiness: Readiness
) -> None:
    """Another stream has the subjects meanwhile, so the broker refuses the lost one."""
    other = f"{stream}-OTHER"
    async with keeping(js, readiness, stream):
        await js.update_stream(bus.stream(stream, "unused.>"))
        await bus.declare(js, bus.stream(other, f"{stream}.>"))
        await js.delete_stream(stream)
        await until(lambda: readiness.missing() == ["streams"])

        await js.delete_stream(other)

        await until(lambda: readiness.missing() == [])
        assert await is_declared(js, stream)


async def is_declared(js: JetStreamContext, stream: str) -> bool:
    try:
        await js.stream_info(stream)
    except nats.js.errors.NotFoundError:
        return False
    return True
