"""`make up` writes local.json for scripts, restarts dead processes, and leaves nothing behind.

One folder sees three starts: the first is interrupted, the second is killed, and the third is stopped.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from loupe_local import ports

pytestmark = pytest.mark.timeout(600)
SECONDS = 120
KEYS = {"api", "token", "other_token", "passwords", "mails", "s3", "metrics", "admin", "databases", "pids"}
Usage = tuple[str, bool]
"""The plan, and whether it is unlimited."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """The second start, until it is killed."""

    local_json: dict[str, Any]
    statuses: list[int]
    """The answers to the tokens of both users."""
    logins: list[int]
    usage: Usage
    after_restart: int
    """The answer of the gateway that was started again."""
    pids: dict[str, int]
    """All processes when it was killed."""
    shared_memory: set[str]


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """The third start, until it is stopped while one of Triton's models is dead."""

    local_json: dict[str, Any]
    old_token: int
    """The answer to a token of the second start."""
    user: dict[str, Any]
    usage: Usage
    left: list[str]
    """Shared memory of the second start that was still there."""
    status: int
    output: bytes


@dataclass(frozen=True, kw_only=True)
class Life:
    home: Path
    port: int
    interrupted: int
    """The exit status of the first start."""
    killed: Killed
    stopped: Stopped


@pytest.fixture(scope="module")
async def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    home = tmp_path_factory.mktemp("home")
    for folder in (home / ".loupe", home / "tmp"):
        folder.mkdir()
    port = ports.allocate(["api"], {})["api"]
    interrupted = await interrupt(home, port)
    killed = await run_and_kill(home)
    stopped = await run_and_stop(home, killed)
    return Life(home=home, port=port, interrupted=interrupted, killed=killed, stopped=stopped)


async def interrupt(home: Path, port: int) -> int:
    """Start for the first time, and press Ctrl-C while the users are being created."""
    mails = home / ".loupe" / "local" / "mails"
    async with up(home, "--port", str(port)) as process:
        async with asyncio.timeout(SECONDS):
            while not list(mails.glob("[!.]*-jane@example.com.eml")):
                await asyncio.sleep(0.02)
        await stop(process, signal.SIGINT)
    return process.returncode or 0


async def run_and_kill(home: Path) -> Killed:
    async with up(home) as process:
        found = await until_ready(home, process)
        statuses = [await status(found["api"], found[name]) for name in ("token", "other_token")]
        logins = [await log_in(found["api"], *each) for each in found["passwords"].items()]
        first_usage = await usage(found)
        os.kill(found["pids"]["gateway"], signal.SIGKILL)
        restarted = await until_ready(home, process, without_pid=found["pids"]["gateway"])
        async with asyncio.timeout(SECONDS):
            while not await answers(restarted["api"]):
                await asyncio.sleep(0.1)
        after_restart = await status(restarted["api"], restarted["token"])
        await admin(home, "plan", "set", "jane@example.com", "starter")
        shared_memory = shared_memory_of(restarted["pids"].values())
        await stop(process, signal.SIGKILL)
    return Killed(
        local_json=found,
        statuses=statuses,
        logins=logins,
        usage=first_usage,
        after_restart=after_restart,
        pids=restarted["pids"],
        shared_memory=shared_memory,
    )


async def run_and_stop(home: Path, killed: Killed) -> Stopped:
    async with up(home) as process:
        found = await until_ready(home, process, without_pid=killed.pids["gateway"])
        left = [name for name in killed.shared_memory if Path(name).exists()]
        old_token = await status(found["api"], killed.local_json["token"])
        user = json.loads(await admin(home, "--json", "user", "show", "jane@example.com"))["user"]
        last_usage = await usage(found)
        kill_a_model(found["pids"]["triton"])
        output = await stop(process, signal.SIGTERM)
    return Stopped(
        local_json=found,
        old_token=old_token,
        user=user,
        usage=last_usage,
        left=left,
        status=process.returncode or 0,
        output=output,
    )


@contextlib.asynccontextmanager
async def up(home: Path, *arguments: str) -> AsyncGenerator[Process]:
    state = str(home / ".loupe" / "local")
    command = [sys.executable, "-m", "loupe_local", "--state", state, "up", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=STDOUT, cwd=home, env={**os.environ, "TMPDIR": str(home / "tmp")}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            await stop(process, signal.SIGKILL)


async def stop(process: Process, number: signal.Signals) -> bytes:
    """Send the signal, and return what the process has printed once it has ended."""
    process.send_signal(number)
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    return output


async def until_ready(home: Path, process: Process, without_pid: int | None = None) -> dict[str, Any]:
    """Poll local.json until all processes run and none has `without_pid`. Return its content."""
    async with asyncio.timeout(SECONDS):
        while True:
            assert process.returncode is None
            with contextlib.suppress(FileNotFoundError):
                found = json.loads((home / ".loupe" / "local.json").read_text())
                pids = found["pids"].values()
                if all(pids) and without_pid not in pids:
                    return found
            await asyncio.sleep(0.05)


def kill_a_model(triton: int) -> None:
    """Kill the process of one model. Triton never notices, and would wait for it when it stops."""
    model = psutil.Process(triton).children()[0]
    model.kill()
    while model.status() != psutil.STATUS_ZOMBIE:
        os.sched_yield()


def client_of(api: str, token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=api, headers={"Authorization": f"Bearer {token}"})


async def status(api: str, token: str) -> int:
    async with client_of(api, token) as client:
        return (await client.get("/api/user")).status_code


async def usage(local_json: dict[str, Any]) -> Usage:
    async with client_of(local_json["api"], local_json["token"]) as client:
        data = (await client.get("/api/usage")).json()["data"]
    return data["plan"], data["image_uploads"]["unlimited"]


async def log_in(api: str, email: str, password: str) -> int:
    async with httpx2.AsyncClient(base_url=api) as client:
        login = {"email": email, "password": password, "device_name": "browser"}
        return (await client.post("/api/auth/login", json=login)).status_code


async def answers(api: str) -> bool:
    async with httpx2.AsyncClient() as client:
        try:
            return (await client.get(f"{api}/readyz")).is_success
        except httpx2.TransportError:
            return False


async def admin(home: Path, *arguments: str) -> bytes:
    """Run `loupe-admin` in the folder, and return what it prints."""
    command = (sys.executable, "-m", "gateway.admin", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=home)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


def shared_memory_of(pids: Iterable[int]) -> set[str]:
    """Return the files of shared memory that these processes and their children use."""
    found = set[str]()
    for leader in map(psutil.Process, pids):
        for process in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                found |= {each.path for each in process.memory_maps() if each.path.startswith("/dev/shm/")}  # noqa: S108
    return found


def system_v_segments_of(pid: int) -> list[str]:
    """Return the lines of the segments of shared memory that this process has created."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return [line for line in lines if int(line.split()[4]) == pid]


def test_the_next_start_completes_an_interrupted_start(life: Life) -> None:
    assert life.interrupted == 0
    assert life.killed.usage == ("professional", True)


def test_a_run_is_described_in_local_json(life: Life) -> None:
    assert set(life.killed.local_json) == KEYS
    assert life.killed.statuses == [200, 200]
    assert life.killed.logins == [200, 200]


def test_a_dead_process_is_started_again(life: Life) -> None:
    assert life.killed.after_restart == 200


def test_the_chosen_port_stays_for_later_starts(life: Life) -> None:
    addresses = {run.local_json["api"] for run in (life.killed, life.stopped)}

    assert addresses == {f"http://127.0.0.1:{life.port}"}


def test_after_a_kill_the_next_start_cleans_up_and_keeps_the_data(life: Life) -> None:
    killed, stopped = life.killed, life.stopped

    assert stopped.old_token == 200
    assert stopped.user["email"] == "jane@example.com"
    assert stopped.usage == ("starter", True)
    assert {name.partition("-")[0] for name in killed.shared_memory} >= {"/dev/shm/loupe"}  # noqa: S108
    assert stopped.left == []
    assert system_v_segments_of(killed.pids["postgres"]) == []
    assert not [pid for pid in killed.pids.values() if psutil.pid_exists(pid)]


def test_a_stop_ends_everything_although_a_model_of_triton_is_dead(life: Life) -> None:
    stopped = life.stopped

    assert stopped.status == 0
    assert f"Loupe is ready at {stopped.local_json['api']}".encode() in stopped.output
    assert b"curl --fail-with-body" in stopped.output
    assert re.search(
        rb"  first run      code [a-z2-7]{5}(-[a-z2-7]{5}){3} for the first operator", stopped.output
    )
    assert b"triton 1 of its processes died, and it cannot stop by itself; killed" in stopped.output
    assert b"still running" not in stopped.output
    assert not (life.home / ".loupe" / "local.json").exists()
    assert list((life.home / "tmp").iterdir()) == []
    assert not [pid for pid in stopped.local_json["pids"].values() if psutil.pid_exists(pid)]
