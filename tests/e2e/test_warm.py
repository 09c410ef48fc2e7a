"""A test run borrows a warm stack, which is then as good as a new one."""

import contextlib
import os
import signal
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, count_used_images
from tests.warm import sources
from tests.warm.client import borrowed
from tests.warm.folder import lock
from tests.warm.server import Server, listening

CODE = "services/billing/billing/rpc.py"


@dataclass
class Warm:
    """A server that lends the stack of these tests, and what it has said to the runs."""

    folder: Path
    said: list[str] = field(default_factory=list[str])

    def borrow(self) -> contextlib.AbstractAsyncContextManager[Stack | None]:
        return borrowed(self.said.append, self.folder)


@contextlib.asynccontextmanager
async def lending(stack: Stack, folder: Path, taken: sources.Snapshot) -> AsyncGenerator[Warm]:
    (folder / "state").symlink_to(stack.stores.supervisor.state.folder)
    descriptor = lock(folder)
    try:
        async with listening(Server(stack, taken), folder):
            yield Warm(folder)
    finally:
        os.close(descriptor)


@pytest.fixture
async def warm(stack: Stack, tmp_path: Path) -> AsyncGenerator[Warm]:
    async with lending(stack, tmp_path, sources.snapshot()) as running:
        yield running


async def test_each_run_has_new_users_and_a_second_run_at_a_time_gets_nothing(warm: Warm) -> None:
    tokens = set[str]()
    for _ in range(2):
        async with warm.borrow() as borrowed_stack:
            assert borrowed_stack
            tokens |= {borrowed_stack.token, borrowed_stack.other_token}
            async with client_of(borrowed_stack, borrowed_stack.token) as client:
                assert await count_used_images(client) == 0
            async with warm.borrow() as second:
                assert second is None

    assert len(tokens) == 4
    assert (
        warm.said
        == [
            "The tests use the warm test stack.",
            "The warm test stack is used by another run; this run starts its own.",
        ]
        * 2
    )


async def test_changed_code_is_restarted_once(stack: Stack, tmp_path: Path) -> None:
    supervisor = stack.stores.supervisor
    before = {name: supervisor.pid(name) for name in ("auth", "billing")}
    async with lending(stack, tmp_path, {**sources.snapshot(), CODE: "an older version"}) as warm:
        async with warm.borrow():
            during = {name: supervisor.pid(name) for name in before}
        async with warm.borrow():
            after = {name: supervisor.pid(name) for name in before}

    assert during["auth"] == before["auth"]
    assert during["billing"] != before["billing"]
    assert after == during
    assert warm.said == [
        f"The tests use the warm test stack. billing was restarted: {CODE} has changed.",
        "The tests use the warm test stack.",
    ]


async def test_what_a_run_stopped_or_paused_works_for_the_next_one(stack: Stack, warm: Warm) -> None:
    async with warm.borrow() as first:
        assert first
        await first.stores.supervisor.stop("billing")
        await first.stores.supervisor.kill("auth")
        await first.stores.supervisor.restart("auth")
        assert not first.stores.supervisor.is_ready("billing")
        os.kill(first.stores.supervisor.pid("inference"), signal.SIGSTOP)
    async with warm.borrow() as second:
        assert second
        worker = psutil.Process(second.stores.supervisor.pid("inference"))

        assert second.stores.supervisor.is_ready("billing")
        assert worker.status() != psutil.STATUS_STOPPED


async def test_an_error_of_the_server_reaches_the_run(warm: Warm) -> None:
    async with warm.borrow() as running:
        assert running
        with pytest.raises(RuntimeError, match="nobody"):
            await running.stores.supervisor.stop("nobody")
