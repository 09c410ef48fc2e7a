"""Real servers for all tests: the stores once a session, and the whole system once for those that need it.

Both lie in the session's temporary folder; their logs are `stores.log` and `stack.log` there.
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

QUICK = {
    "IMAGES_WORKER_SILENT_SECONDS": "2",
    "IMAGES_SWEEP_SECONDS": "1",
    "IMAGES_LOST_AFTER_SECONDS": "2",
    "INFERENCE_ACK_WAIT_SECONDS": "3",
    "INFERENCE_HEARTBEAT_SECONDS": "0.5",
}
"""Times that a person would not wait for in a test; the rules are the same."""
CROWDED = {"GATEWAY_UNAUTHENTICATED_REQUESTS_PER_HOUR": "1000000"}
"""All tests come from one address."""

PLAIN = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(
    processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, PLAIN]
)
"""What runs in this process logs as well; by default structlog spends seconds on a pretty traceback."""


@pytest.fixture(scope="session")
def servers() -> Generator[Servers]:
    if os.environ.get("LOUPE_TEST_STACK") != "containers":
        yield WHEELS
        return
    from tests.containers.servers import Containers  # noqa: PLC0415  nobody else needs a container engine's client

    with Containers() as containers:
        yield containers


@pytest.fixture(scope="session")
async def stores(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> AsyncGenerator[Stores]:
    """PostgreSQL, NATS, the object store and the mail sink, without any service of ours."""
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
    told = QUICK | CROWDED
    async with run_stack(
        folder / "state", sink=sink, durable=False, overrides=told, servers=servers
    ) as running:
        yield running


@pytest.fixture(scope="session")
def photos() -> Path:
    """Real photos; see docs/photos/README.md for where they are from."""
    return Path(__file__).parents[1] / "docs" / "photos"
