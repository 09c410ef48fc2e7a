"""Starts real servers, once in a session: the stores, and the whole system for tests that need it.

The logs are `stores.log` and `stack.log` in the session's temporary folder.
If `make test-stack` keeps a system warm, tests use that one. With LOUPE_TEST_STACK=cold they start their own.
With LOUPE_TEST_STACK=containers PostgreSQL, NATS and the object store come from container images.
"""

import os
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, nullcontext
from functools import partial
from pathlib import Path

import pytest
import structlog

from gateway.admin import Operator
from loupe_local.log import to_file
from loupe_local.stack import Stack
from loupe_local.stack import stack as run_stack
from loupe_local.stores import WHEELS, Servers, Stores
from loupe_local.stores import stores as run_stores
from tests.overrides import OVERRIDES
from tests.warm.client import borrowed, is_wanted

MOST_IMAGES_OF_A_SESSION = 10_000
"""The monthly quota of the first user, whose token most tests use."""
CLUSTER = ("tests.cluster.fixtures",) if "LOUPE_CLUSTER" in os.environ else ()
pytest_plugins = ("tests.processes", "tests.affected", *CLUSTER)

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
async def stack(
    tmp_path_factory: pytest.TempPathFactory, servers: Servers, pytestconfig: pytest.Config
) -> AsyncGenerator[Stack]:
    """The whole system, Triton included, with two verified users."""
    async with AsyncExitStack() as exits:
        warm = borrowed(partial(say, pytestconfig))
        if is_wanted() and (running := await exits.enter_async_context(warm)):
            yield running
            return
        folder = tmp_path_factory.mktemp("stack")
        sink = to_file(folder / "stack.log")
        system = run_stack(folder / "state", sink=sink, durable=False, overrides=OVERRIDES, servers=servers)
        running = await exits.enter_async_context(system)
        await Operator(running.services.admin).set_quota("jane@example.com", MOST_IMAGES_OF_A_SESSION)
        yield running


def say(config: pytest.Config, text: str) -> None:
    """Print a sentence while pytest captures the output."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        print(f"\n{text}", flush=True)


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real photos. docs/photos/README.md says where they are from."""
    return Path(__file__).parents[1] / "docs" / "photos"
