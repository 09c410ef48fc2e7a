"""Starts real servers, once in a session: the stores, and the whole system for tests that need it.

The logs are `stores.log` and `stack.log` in the session's temporary folder.
With LOUPE_TEST_STACK=containers PostgreSQL, NATS and the object store come from container images.
"""

import os
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import structlog

from loupe_local.log import to_file
from loupe_local.stack import Stack
from loupe_local.stack import stack as run_stack
from loupe_local.stores import WHEELS, Servers, Stores
from loupe_local.stores import stores as run_stores

pytest_plugins = ("tests.processes", "tests.affected")

SHORT_TIMES = {
    "IMAGES_WORKER_SILENT_SECONDS": "2",
    "IMAGES_SWEEP_SECONDS": "1",
    "IMAGES_LOST_AFTER_SECONDS": "2",
    "INFERENCE_ACK_WAIT_SECONDS": "3",
    "INFERENCE_HEARTBEAT_SECONDS": "0.5",
}
"""Shorter times than in production, so that tests wait less."""
MANY_REQUESTS = {"GATEWAY_UNAUTHENTICATED_REQUESTS_PER_HOUR": "1000000"}
"""All tests send their requests from one address, which must not reach its hourly limit."""
QUOTAS = {"BILLING_PLANS_FILE": ""}
"""The plans that come with Loupe. A local Loupe has them without monthly quotas."""

PLAIN_RENDERER = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)
structlog.configure(
    processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, PLAIN_RENDERER]
)
"""For code that runs in the test process. By default structlog spends seconds on a pretty traceback."""


@pytest.fixture(scope="session")
def servers() -> Generator[Servers]:
    if os.environ.get("LOUPE_TEST_STACK") != "containers":
        yield WHEELS
        return
    from tests.containers.servers import Containers  # noqa: PLC0415  other runs need no container engine

    with Containers() as containers:
        yield containers


@pytest.fixture(scope="session")
async def stores(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> AsyncGenerator[Stores]:
    """PostgreSQL, NATS, the object store and the mail sink, without any service of Loupe."""
    folder = tmp_path_factory.mktemp("stores")
    sink = to_file(folder / "stores.log")
    async with run_stores(
        folder / "state", sink=sink, durable=False, triton=False, servers=servers
    ) as running:
        yield running


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> AsyncGenerator[Stack]:
    """The whole system, Triton included, with two verified users."""
    folder = tmp_path_factory.mktemp("stack")
    sink = to_file(folder / "stack.log")
    overrides = SHORT_TIMES | MANY_REQUESTS | QUOTAS
    async with run_stack(
        folder / "state", sink=sink, durable=False, overrides=overrides, servers=servers
    ) as running:
        yield running


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real photos. docs/photos/README.md says where they are from."""
    return Path(__file__).parents[1] / "docs" / "photos"
