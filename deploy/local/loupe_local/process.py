"""A program and how to run it (`Process`), and one run of it (`Child`).

Each run has its own session. At the end all processes of the session are found and killed.
"""

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
    """A program, how to run it, and how to check that it is ready.

    It does not inherit our environment: it gets `env` and a few harmless variables.
    """

    name: str
    argv: tuple[str, ...]
    ready: Probe
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: Path = Path("/")
    identity: str = OWN
    ready_seconds: float = 30
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10
    clean_up: Callable[[], None] = lambda: None
    """Removes the files that the program leaves behind. It is called each time the program has ended."""
    count_losses: Callable[[int], int] | None = None
    """Returns how many processes of the running program have died without being cleaned up. After
    `most_losses` it is started anew. With any loss it cannot stop by itself, so it is killed at once.
    """
    most_losses: int = 5
    is_stuck: Callable[[], bool] = lambda: False
    """Returns whether the running program works again only if it is started anew. It is asked every second,
    and raises nothing.
    """
    tier: int = 0
    """The supervisor stops higher tiers first. Stores have tier 0."""


class Child:
    """One run of a program: its first process and all descendants."""

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
        self._descendants: set[psutil.Process] = set()
        self._exited = _when_exited(self.pid)
        self._pump = asyncio.create_task(_pump(self._running.stdout, emit))

    async def exited(self) -> None:
        """Wait until the first process is gone."""
        await asyncio.shield(self._exited)

    async def wait_for_end(self, seconds: float = 2) -> int:
        """Return the exit status after all descendants are gone. Kill those that stay for more seconds."""
        await self._exited
        self._descendants |= process_tree(self.pid)
        status = self._running.wait()
        for member in await survivors(self._descendants, seconds):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        await survivors(self._descendants, seconds=5)
        await asyncio.wait({self._pump}, timeout=1)  # a process that left the session may still hold the pipe
        self._pump.cancel()
        return status

    def signal(self, number: signal.Signals) -> None:
        """Send the signal to the first process only: it stops its children in the right order."""
        self._descendants |= process_tree(self.pid)
        self._running.send_signal(number)


def launch(identity: str, cwd: Path, *argv: str) -> tuple[str, ...]:
    """Return the command that starts `argv` as `identity` in `cwd`. The kernel kills it when we die."""
    return (sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), identity, str(cwd), *argv)


async def output_of(
    argv: Sequence[str],
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> tuple[int, str]:
    """Run a program to its end; return its exit status and output. Kill it if we are cancelled."""
    running = await asyncio.create_subprocess_exec(
        *argv, stdin=PIPE if stdin else DEVNULL, stdout=PIPE, stderr=STDOUT, env=env, cwd=cwd
    )
    try:
        output, _ = await running.communicate(stdin or None)
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    return running.returncode or 0, output.decode(errors="replace").strip()


def process_tree(pid: int) -> set[psutil.Process]:
    """Return the descendants of a session leader, and the other members of its session."""
    members: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        members.update(psutil.Process(pid).children(recursive=True))
    for other in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            if other != pid and os.getsid(other) == pid:
                members.add(psutil.Process(other))
    return members


async def survivors(members: set[psutil.Process], seconds: float) -> set[psutil.Process]:
    """Wait up to `seconds` for these processes to end, and return those that are still alive."""
    deadline = asyncio.get_running_loop().time() + seconds
    while alive := {process for process in members if is_alive(process)}:
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
    """Return a future that is done when the child has exited.

    asyncio's own wait() would also wait for other processes that hold the child's output.
    """
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
    """Emit each line as it arrives. A line longer than a chunk is split, to limit the memory."""
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
    """Yield the bytes that arrive, until no process has the pipe open for writing.

    This reads the pipe itself, because asyncio and uvloop close a pipe transport at different moments.
    """
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
