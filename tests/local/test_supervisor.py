"""Processes that behave badly, and what becomes of them."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest

from loupe_local.component import NotReady
from loupe_local.process import Process, is_alive
from loupe_local.supervisor import Supervisor

Lines = list[tuple[str, str]]

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit("bye"))
print("up")
time.sleep(60)
"""
PARENT = "import subprocess, time; print('child', subprocess.Popen(['sleep', '60']).pid); time.sleep(60)"


def a_process(
    code: str, said: Lines, *, name: str = "it", ready: str = "", tier: int = 0, seconds: float = 5
) -> Process:
    """Ready once it has printed a line that starts with `ready`."""

    async def probe() -> bool:
        return any(line.startswith(ready) for who, line in said if who == name)

    return Process(
        name=name,
        argv=(sys.executable, "-c", code),
        ready=probe,
        ready_seconds=seconds,
        stop_seconds=0.2,
        tier=tier,
    )


@contextlib.asynccontextmanager
async def a_supervisor(folder: Path, said: Lines) -> AsyncGenerator[Supervisor]:
    async with Supervisor(folder, lambda name, line: said.append((name, line))) as supervisor:
        yield supervisor


def is_running(pid: int) -> bool:
    """An orphan whose end nobody has noticed yet is not."""
    return psutil.pid_exists(pid) and is_alive(psutil.Process(pid))


async def test_who_keeps_dying_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    said: Lines = []

    async with a_supervisor(tmp_path, said) as supervisor:
        with pytest.raises(NotReady, match=r"exited with status 3, 3 times(.|\n)*no such model"):
            await supervisor.start(a_process("print('no such model'); exit(3)", said, ready="never"))


async def test_who_is_too_slow_is_stopped(tmp_path: Path) -> None:
    said: Lines = []

    async with a_supervisor(tmp_path, said) as supervisor:
        with pytest.raises(NotReady, match=r"not ready after 0\.3 s"):
            await supervisor.start(a_process("import time; time.sleep(60)", said, ready="never", seconds=0.3))
        with pytest.raises(NotReady, match="not running"):
            supervisor.pid("it")


async def test_who_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    said: Lines = []

    async with a_supervisor(tmp_path, said) as supervisor:
        await supervisor.start(a_process(STUBBORN, said, ready="deaf"))
        pid = supervisor.pid("it")

    assert not psutil.pid_exists(pid)
    assert ("it", "still there 0.2 s after SIGTERM; killed") in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_grandchildren_go_too(tmp_path: Path, number: signal.Signals) -> None:
    said: Lines = []

    async with a_supervisor(tmp_path, said) as supervisor:
        await supervisor.start(a_process(PARENT, said, ready="child"))
        grandchild = int(said[0][1].split()[1])
        await (supervisor.stop("it") if number == signal.SIGTERM else supervisor.kill("it"))

    assert not is_running(grandchild)


async def test_higher_tiers_stop_first(tmp_path: Path) -> None:
    said: Lines = []

    async with a_supervisor(tmp_path, said) as supervisor:
        for name, tier in (("store", 0), ("gateway", 2), ("service", 1)):
            await supervisor.start(a_process(POLITE, said, name=name, ready="up", tier=tier))

    assert [name for name, line in said if line == "bye"] == ["gateway", "service", "store"]


async def test_our_environment_stays_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: Lines = []
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")

    async with a_supervisor(tmp_path, said) as supervisor:
        await supervisor.start(
            a_process("import os, time; print('env', *os.environ); time.sleep(60)", said, ready="env")
        )

    assert "AWS_SECRET_ACCESS_KEY" not in said[0][1]


async def test_leaving_while_something_starts_stops_it(tmp_path: Path) -> None:
    said: Lines = []

    async with a_supervisor(tmp_path, said) as supervisor:
        starting = asyncio.create_task(supervisor.start(a_process(STUBBORN, said, ready="never")))
        while not said:
            await asyncio.sleep(0.02)
        pid = supervisor.pid("it")

    with pytest.raises(NotReady, match="stopped before it was ready"):
        await starting
    assert not psutil.pid_exists(pid)
