"""The supervisor handles processes that die, hang or ignore signals."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from loupe_local.component import NotReady
from loupe_local.process import Process, is_alive
from loupe_local.supervisor import Supervisor
from tests.polling import until

Lines = list[tuple[str, str]]

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('started'); time.sleep(60)"
)
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit("bye"))
print("up")
time.sleep(60)
"""
PARENT = "import subprocess, time; print('child', subprocess.Popen(['sleep', '60']).pid); time.sleep(60)"


def a_process(
    code: str, output: Lines, *, name: str = "it", ready: str = "", tier: int = 0, seconds: float = 5
) -> Process:
    """A Python program that is ready once it has printed a line that starts with `ready`."""

    async def probe() -> bool:
        return any(line.startswith(ready) for process, line in output if process == name)

    return Process(
        name=name,
        argv=(sys.executable, "-c", code),
        ready=probe,
        ready_seconds=seconds,
        stop_seconds=0.2,
        tier=tier,
    )


@contextlib.asynccontextmanager
async def a_supervisor(folder: Path, output: Lines) -> AsyncGenerator[Supervisor]:
    async with Supervisor(folder, lambda name, line: output.append((name, line))) as supervisor:
        yield supervisor


def is_running(pid: int) -> bool:
    """Return whether the process runs. A zombie does not."""
    return psutil.pid_exists(pid) and is_alive(psutil.Process(pid))


async def test_a_process_that_keeps_dying_is_given_up_and_its_last_lines_are_reported(tmp_path: Path) -> None:
    output: Lines = []

    async with a_supervisor(tmp_path, output) as supervisor:
        with pytest.raises(NotReady, match=r"exited with status 3, 3 times(.|\n)*no such model"):
            await supervisor.start(a_process("print('no such model'); exit(3)", output, ready="never"))


async def test_a_process_that_starts_too_slowly_is_stopped(tmp_path: Path) -> None:
    output: Lines = []

    async with a_supervisor(tmp_path, output) as supervisor:
        with pytest.raises(NotReady, match=r"not ready after 0\.3 s"):
            await supervisor.start(
                a_process("import time; time.sleep(60)", output, ready="never", seconds=0.3)
            )
        with pytest.raises(NotReady, match="not running"):
            supervisor.pid("it")


async def test_a_stuck_process_is_started_anew(tmp_path: Path) -> None:
    output: Lines = []
    stuck = [False]  # a list, because the lambda reads it later
    process = replace(a_process(POLITE, output, ready="up"), is_stuck=lambda: stuck[0])

    async with a_supervisor(tmp_path, output) as supervisor:
        await supervisor.start(process)
        first = supervisor.pid("it")
        stuck[0] = True
        await until(lambda: ("it", "it is stuck, and is stopped") in output)
        stuck[0] = False
        await until(lambda: ("it", "ready again") in output)
        second = supervisor.pid("it")

    assert second != first
    assert not is_running(first)


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    output: Lines = []

    async with a_supervisor(tmp_path, output) as supervisor:
        await supervisor.start(a_process(STUBBORN, output, ready="started"))
        pid = supervisor.pid("it")

    assert not psutil.pid_exists(pid)
    assert ("it", "still running 0.2 s after SIGTERM; killed") in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_grandchildren_are_stopped_too(tmp_path: Path, number: signal.Signals) -> None:
    output: Lines = []

    async with a_supervisor(tmp_path, output) as supervisor:
        await supervisor.start(a_process(PARENT, output, ready="child"))
        grandchild = int(output[0][1].split()[1])
        await (supervisor.stop("it") if number == signal.SIGTERM else supervisor.kill("it"))

    assert not is_running(grandchild)


async def test_higher_tiers_stop_first(tmp_path: Path) -> None:
    output: Lines = []

    async with a_supervisor(tmp_path, output) as supervisor:
        for name, tier in (("store", 0), ("gateway", 2), ("service", 1)):
            await supervisor.start(a_process(POLITE, output, name=name, ready="up", tier=tier))

    assert [name for name, line in output if line == "bye"] == ["gateway", "service", "store"]


async def test_a_process_does_not_inherit_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output: Lines = []
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")

    async with a_supervisor(tmp_path, output) as supervisor:
        await supervisor.start(
            a_process("import os, time; print('env', *os.environ); time.sleep(60)", output, ready="env")
        )

    assert "AWS_SECRET_ACCESS_KEY" not in output[0][1]


async def test_a_process_that_is_still_starting_is_stopped_at_the_end(tmp_path: Path) -> None:
    output: Lines = []

    async with a_supervisor(tmp_path, output) as supervisor:
        starting = asyncio.create_task(supervisor.start(a_process(STUBBORN, output, ready="never")))
        while not output:
            await asyncio.sleep(0.02)
        pid = supervisor.pid("it")

    with pytest.raises(NotReady, match="stopped before it was ready"):
        await starting
    assert not psutil.pid_exists(pid)
