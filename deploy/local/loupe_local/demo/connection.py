"""Use the Loupe that runs, for example by `make up`. If none runs, start one and stop it at the end."""

import asyncio
import fcntl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2

from loupe_local.demo.errors import DemoFailed
from loupe_local.demo.paths import shown
from loupe_local.stack import stack
from loupe_local.stages import Stages
from loupe_local.state import AlreadyRunning, read

STARTING_SECONDS = 120
"""How long we wait for a Loupe that another terminal is starting or stopping."""
SILENT_SECONDS = 15
"""How long we wait for a Loupe whose API does not answer. It may be restarting."""
PAUSE_SECONDS = 0.2
USERS = "demo-users.lock"
"""The file that every demo locks while it uses the Loupe of its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A running Loupe, as `local.json` describes it."""

    api: str
    token: str
    metrics: str
    """The address of the worker's metrics."""
    is_own: bool
    """Whether we have started it, and stop it."""
    folder: Path
    """Its folder."""

    @property
    def has_stopped(self) -> bool:
        """Whether its owner has stopped it."""
        return not _describe(self.folder)


@asynccontextmanager
async def connect(folder: Path, stages: Stages) -> AsyncGenerator[Connection]:
    """Yield the Loupe of this folder, once it is ready. Raise `DemoFailed` if it runs and does not answer."""
    async with AsyncExitStack() as exits:
        running = await _find(folder)
        if running is None:
            try:
                running = await _start(folder, stages, exits)
            except AlreadyRunning:
                running = await _wait_for_other(folder, stages, exits)
        users = exits.enter_context((folder.parent / USERS).open("w"))
        fcntl.flock(users, fcntl.LOCK_SH)
        if not running.is_own:
            stages.say(f"Using the Loupe that runs at {running.api}")
        yield running
        if running.is_own:
            await _wait_for_other_users(users, stages)


async def _wait_for_other_users(users: IO[str], stages: Stages) -> None:
    """Wait until no other demo uses the Loupe that we are about to stop."""
    if _is_last_user(users):
        return
    with stages.running("another make demo", "waiting, because it uses this Loupe") as waiting:
        waiting.finish("")
        while not _is_last_user(users):
            await asyncio.sleep(PAUSE_SECONDS)


def _is_last_user(users: IO[str]) -> bool:
    """Lock the file alone if no other demo has locked it, and return whether that worked."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _start(folder: Path, stages: Stages, exits: AsyncExitStack) -> Connection:
    """Start a Loupe. Raise `AlreadyRunning` if another process uses the folder."""
    await exits.enter_async_context(stack(folder, stages=stages))
    return _connection(folder, _describe(folder), is_own=True)


async def _wait_for_other(folder: Path, stages: Stages, exits: AsyncExitStack) -> Connection:
    """Wait until the Loupe of another process is ready. If it stops instead, start one."""
    started = asyncio.get_running_loop().time()
    with stages.running("another Loupe", "waiting until it has started or stopped") as waiting:
        waiting.finish("")
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            if running := await _find(folder):
                return running
            try:
                return await _start(folder, stages, exits)
            except AlreadyRunning as error:
                waited = asyncio.get_running_loop().time() - started
                api = _describe(folder).get("api")
                if waited > (SILENT_SECONDS if api else STARTING_SECONDS):
                    raise DemoFailed(_silent_text(error, api)) from error


async def _find(folder: Path) -> Connection | None:
    """Return the Loupe that runs and is ready, or None."""
    described = _describe(folder)
    if not described:
        return None
    try:
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
            answer = await client.get(f"{described['api']}/readyz")
    except httpx2.HTTPError:
        return None
    return _connection(folder, described, is_own=False) if answer.is_success else None


def _describe(folder: Path) -> dict[str, Any]:
    """Return the addresses and tokens of the Loupe that runs, empty if none does."""
    path = folder.parent / "local.json"
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise DemoFailed(f"A Loupe seems to run, but {shown(path)} cannot be read: {error}") from error


def _connection(folder: Path, described: dict[str, Any], *, is_own: bool) -> Connection:
    return Connection(
        api=described["api"],
        token=described["token"],
        metrics=described["metrics"]["inference"],
        is_own=is_own,
        folder=folder,
    )


def _silent_text(error: AlreadyRunning, api: str | None) -> str:
    problem = f"its API at {api} does not answer" if api else "it does not become ready"
    return f"{error}, but {problem}. Stop that process, then run `make demo` again."
