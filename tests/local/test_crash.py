"""However a run ends, its data is kept and no process is left."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from loupe_local.postgres_home import MAPPED
from loupe_local.process import OWN, is_alive, launch
from loupe_local.state import State, write
from loupe_local.stores import stores
from loupe_local.supervisor import Supervisor
from tests.local import traces


@contextmanager
def run_supervisor(folder: Path, identity: str = OWN) -> Generator[subprocess.Popen[str]]:
    """Run a supervisor in its own process. It has written a trace to each store."""
    argv = launch(identity, folder, sys.executable, traces.__file__, str(folder / "state"))
    with (folder / "log").open("a") as log:
        running = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True)
    with running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n", (folder / "log").read_text()
            yield running
        finally:
            running.kill()


async def count_traces(folder: Path) -> dict[str, int]:
    """Start the stores again, and count the traces of earlier runs."""
    async with stores(folder / "state", sink=lambda name, line: None, durable=False, triton=False) as again:
        return await traces.count(again)


def start_sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], start_new_session=True)


def wait_until_gone(processes: list[psutil.Process]) -> None:
    deadline = time.monotonic() + 10
    while alive := [one for one in processes if is_alive(one)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.02)


async def test_a_killed_supervisor_leaves_no_process_and_all_data(tmp_path: Path) -> None:
    with run_supervisor(tmp_path) as supervisor:
        children = psutil.Process(supervisor.pid).children(recursive=True)
        supervisor.kill()
        await asyncio.to_thread(wait_until_gone, children)

    assert len(children) >= 4
    assert await count_traces(tmp_path) == {"postgres": 1, "nats": 1, "objects": 1}


AS_NOBODY = pytest.param(
    MAPPED, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as another user")
)


@pytest.mark.parametrize("identity", [OWN, AS_NOBODY])
async def test_a_stopped_supervisor_leaves_no_process_and_all_data(tmp_path: Path, identity: str) -> None:
    with run_supervisor(tmp_path, identity) as supervisor:
        children = psutil.Process(supervisor.pid).children(recursive=True)
        supervisor.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(supervisor.wait, timeout=30)

    (tmp_path / "state" / "ports.json").unlink()  # the next run has to choose other ports

    assert status == 0
    assert not [one for one in children if is_alive(one)]
    assert not (tmp_path / "state" / "local.json").exists()
    assert await count_traces(tmp_path) == {"postgres": 1, "nats": 1, "objects": 1}


async def test_the_next_start_kills_processes_that_survived(tmp_path: Path) -> None:
    with start_sleeper() as survivor:
        started = psutil.Process(survivor.pid).create_time()
        State(tmp_path)
        write(tmp_path / "local.json", {"components": {"old": {"pid": survivor.pid, "started": started}}})

        async with Supervisor(tmp_path, lambda name, line: None):
            assert survivor.wait(timeout=5) == -signal.SIGKILL


async def test_the_next_start_spares_another_process_with_the_same_id(tmp_path: Path) -> None:
    with start_sleeper() as unrelated:
        started = psutil.Process(unrelated.pid).create_time() - 3600
        write(tmp_path / "local.json", {"components": {"old": {"pid": unrelated.pid, "started": started}}})

        async with Supervisor(tmp_path, lambda name, line: None):
            assert unrelated.poll() is None
        unrelated.kill()
