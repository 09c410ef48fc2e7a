"""Probes and scrapes over plain HTTP, also while other clients misbehave."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable

import httpx2
import pytest

from common import metrics
from common.metrics import Readiness
from tests.polling import until

Get = Callable[[str], Awaitable[httpx2.Response]]


@pytest.fixture
def readiness() -> Readiness:
    return Readiness("database", "broker")


@pytest.fixture
async def port(readiness: Readiness) -> AsyncGenerator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    serving = asyncio.create_task(metrics.serve(f"127.0.0.1:{port}", readiness))
    await until(lambda: _is_open(port))
    yield port
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.fixture
async def get(port: int) -> AsyncGenerator[Get]:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5) as client:
        yield client.get


async def test_the_service_is_ready_if_nothing_is_missing(get: Get, readiness: Readiness) -> None:
    at_first = await get("/readyz")
    readiness.mark_ready("database")
    then = await get("/readyz")
    readiness.mark_ready("broker")
    at_last = await get("/readyz")

    assert (at_first.status_code, at_first.text) == (503, "waiting for broker\nwaiting for database")
    assert (then.status_code, then.text) == (503, "waiting for broker")
    assert (at_last.status_code, at_last.text) == (200, "ok")


async def test_a_watched_dependency_can_become_missing_again(get: Get, readiness: Readiness) -> None:
    is_connected = True
    readiness.mark_ready("database")
    readiness.watch("broker", lambda: is_connected)
    assert (await get("/readyz")).status_code == 200

    is_connected = False

    assert (await get("/readyz")).text == "waiting for broker"


async def test_the_service_is_alive_while_the_loop_turns(get: Get) -> None:
    answer = await get("/healthz")

    assert (answer.status_code, answer.text) == (200, "ok")


async def test_the_service_is_not_alive_if_the_loop_is_blocked(
    get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "LOOP_BLOCKED_SECONDS", -1.0)

    answer = await get("/healthz")

    assert answer.status_code == 503
    assert answer.text.startswith("event loop blocked for ")


async def test_metrics_are_in_the_prometheus_text_format(get: Get) -> None:
    metrics.messages.labels("scraped", "done").inc()

    answer = await get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'loupe_messages_total{durable="scraped",outcome="done"} 1.0' in answer.text


async def test_a_silent_client_does_not_block_others(get: Get, port: int) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]

    assert (await get("/healthz")).status_code == 200

    for _, writer in silent:
        writer.close()
        await writer.wait_closed()
