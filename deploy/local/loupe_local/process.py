"""A program and how to run it; and one run of it, in a session of its own: nothing it starts outlives it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from loupe_local.probes import Probe

LAUNCHER = Path(__file__).with_name("child.py")
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
CHUNK = 64 * 1024
OWN = "own"


@dataclass(frozen=True, kw_only=True)
class Process:
    """`env` comes on top of a few harmless variables of ours: children do not see our environment."""

    name: str
    argv: tuple[str, ...]
    ready: Probe
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: Path = Path("/")
    identity: str = OWN
    ready_seconds: float = 30
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10
    tidy: Callable[[], None] = lambda: None
    """Called whenever it has ended, to remove what it leaves lying about."""
    tier: int = 0
    """At the end higher tiers stop first: stores are 0."""


class Child:
    """One running program, known by its first process and everything that one started."""

    def __init__(self, process: Process, emit: Callable[[str], None]) -> None:
        env = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self._running = subprocess.Popen(
            launch(process.identity, process.cwd, *process.argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env | {"PYTHONUNBUFFERED": "1"} | dict(process.env),
            start_new_session=True,
            bufsize=0,
        )
        assert self._running.stdout is not None  # noqa: S101 (for the type checker)
        self.pid = self._running.pid
        self.started = psutil.Process(self.pid).create_time()
        self._family: set[psutil.Process] = set()
        self._exited = _when_exited(self.pid)
        self._pump = asyncio.create_task(_pump(self._running.stdout, emit))

    async def exited(self) -> None:
        """Until its first process is gone."""
        await asyncio.shield(self._exited)

    async def bury(self) -> int:
        """The exit status, once all that the program started is gone too."""
        await self._exited
        self._family |= family(self.pid)
        status = self._running.wait()
        for member in await outliving(self._family, seconds=2):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        await outliving(self._family, seconds=5)
        await asyncio.wait({self._pump}, timeout=1)  # someone who escaped us may hold the pipe
        self._pump.cancel()
        return status

    def signal(self, number: signal.Signals) -> None:
        """To the first process only: it knows best in which order the others should go."""
        self._family |= family(self.pid)
        self._running.send_signal(number)


def launch(identity: str, cwd: Path, *argv: str) -> tuple[str, ...]:
    """The command that starts `argv` as `identity` in `cwd`, and has it killed when we die."""
    return (sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), identity, str(cwd), *argv)


async def output_of(
    argv: Sequence[str],
    given: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> tuple[int, str]:
    """Exit status and output of a program that ends by itself, or with us."""
    stdin = PIPE if given else DEVNULL
    running = await asyncio.create_subprocess_exec(
        *argv, stdin=stdin, stdout=PIPE, stderr=STDOUT, env=env, cwd=cwd
    )
    try:
        output, _ = await running.communicate(given or None)
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    return running.returncode or 0, output.decode(errors="replace").strip()


def family(pid: int) -> set[psutil.Process]:
    """The descendants of a session leader, and what is left of its session when it is gone."""
    members: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        members.update(psutil.Process(pid).children(recursive=True))
    for other in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            if other != pid and os.getsid(other) == pid:
                members.add(psutil.Process(other))
    return members


async def outliving(members: set[psutil.Process], seconds: float) -> set[psutil.Process]:
    """Who of them is still there after that many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while alive := {one for one in members if is_alive(one)}:
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.02)
    return alive


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _when_exited(pid: int) -> asyncio.Future[None]:
    """Done when a child has exited; asyncio's own wait() also waits for whoever still holds its output."""
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(pid)
    exited = loop.create_future()

    def done() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        if not exited.done():
            exited.set_result(None)

    loop.add_reader(descriptor, done)
    return exited


async def _pump(pipe: IO[bytes], emit: Callable[[str], None]) -> None:
    """Lines as they come; a line longer than a chunk is cut rather than kept."""
    rest = b""
    async for chunk in _chunks(pipe):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) >= CHUNK:
            lines, rest = [*lines, rest], b""
        for line in lines:
            emit(line.decode(errors="replace").rstrip())
    if rest:
        emit(rest.decode(errors="replace").rstrip())


async def _chunks(pipe: IO[bytes]) -> AsyncGenerator[bytes]:
    """Until the last holder of the other end is gone; event loops close transports differently."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    os.set_blocking(pipe.fileno(), False)
    loop.add_reader(pipe.fileno(), readable.set)
    try:
        while True:
            await readable.wait()
            readable.clear()
            with contextlib.suppress(BlockingIOError):
                chunk = os.read(pipe.fileno(), CHUNK)
                if not chunk:
                    return
                yield chunk
    finally:
        loop.remove_reader(pipe.fileno())
        pipe.close()
