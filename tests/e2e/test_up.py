"""`make up` writes local.json for scripts, restarts dead processes, and leaves nothing behind."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

SECONDS = 90
KEYS = {"api", "token", "other_token", "passwords", "mails", "s3", "metrics", "admin", "databases", "pids"}


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """Return a folder with an empty `.loupe`, in which Loupe then runs."""
    (tmp_path / ".loupe").mkdir()
    return tmp_path


@contextlib.asynccontextmanager
async def up(home: Path, **variables: str) -> AsyncGenerator[Process]:
    command = [sys.executable, "-m", "loupe_local", "--state", str(home / ".loupe" / "local"), "up"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=STDOUT, cwd=home, env={**os.environ, **variables}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def read_local_json(home: Path) -> dict[str, Any]:
    return json.loads((home / ".loupe" / "local.json").read_text())


async def until_ready(home: Path, process: Process, without_pid: int | None = None) -> dict[str, Any]:
    """Poll local.json until all processes run and none has `without_pid`. Return its content."""
    async with asyncio.timeout(SECONDS):
        while True:
            assert process.returncode is None
            with contextlib.suppress(FileNotFoundError):
                found = read_local_json(home)
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


async def status(api: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=api, headers=headers) as client:
        return (await client.get("/api/user")).status_code


async def log_in(api: str, email: str, password: str) -> int:
    async with httpx2.AsyncClient(base_url=api) as client:
        login = {"email": email, "password": password, "device_name": "browser"}
        return (await client.post("/api/auth/login", json=login)).status_code


async def admin(home: Path, *arguments: str) -> bytes:
    """Run `loupe-admin` in the folder, and return what it prints."""
    command = (sys.executable, "-m", "gateway.admin", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=home)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


async def test_a_run_is_described_in_local_json_restarts_dead_processes_and_stops_cleanly(home: Path) -> None:
    async with up(home) as process:
        found = await until_ready(home, process)
        statuses = [await status(found["api"], found[name]) for name in ("token", "other_token")]
        logins = [await log_in(found["api"], *each) for each in found["passwords"].items()]
        os.kill(found["pids"]["gateway"], signal.SIGKILL)
        restarted = await until_ready(home, process, without_pid=found["pids"]["gateway"])
        async with asyncio.timeout(SECONDS):
            while not await answers(restarted["api"]):
                await asyncio.sleep(0.1)
        later = await status(restarted["api"], restarted["token"])
        kill_a_model(restarted["pids"]["triton"])
        user = await admin(home, "--json", "user", "show", "jane@example.com")
        process.send_signal(signal.SIGINT)
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)

    assert set(found) == KEYS
    assert statuses == [200, 200]
    assert logins == [200, 200]
    assert later == 200
    assert json.loads(user)["user"]["email"] == "jane@example.com"
    assert process.returncode == 0
    assert f"Loupe is ready at {found['api']}".encode() in output
    assert b"curl --fail-with-body" in output
    assert re.search(rb"  first run      code [a-z2-7]{5}(-[a-z2-7]{5}){3} for the first operator", output)
    assert b"triton 1 of its processes died, and it cannot stop by itself; killed" in output
    assert b"still running" not in output
    assert not (home / ".loupe" / "local.json").exists()
    assert not [pid for pid in restarted["pids"].values() if psutil.pid_exists(pid)]


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


async def test_after_a_kill_the_next_start_cleans_up_and_keeps_the_data(home: Path) -> None:
    temporary = home / "tmp"
    temporary.mkdir()
    async with up(home, TMPDIR=str(temporary)) as first:
        before = await until_ready(home, first)
        await admin(home, "plan", "set", "jane@example.com", "starter")
        shared = shared_memory_of(before["pids"].values())
        first.kill()
        await first.communicate()
        async with up(home, TMPDIR=str(temporary)) as second:
            after = await until_ready(home, second, without_pid=before["pids"]["gateway"])
            old_token = await status(after["api"], before["token"])
            user = await admin(home, "--json", "user", "show", "jane@example.com")
            left = [name for name in shared if Path(name).exists()]
            second.send_signal(signal.SIGTERM)
            await asyncio.wait_for(second.communicate(), SECONDS)

    assert old_token == 200
    assert b"starter" in user
    assert {name.partition("-")[0] for name in shared} >= {"/dev/shm/loupe"}  # noqa: S108
    assert left == []
    assert system_v_segments_of(before["pids"]["postgres"]) == []
    assert list(temporary.iterdir()) == []
    assert not [pid for pid in before["pids"].values() if psutil.pid_exists(pid)]
    assert second.returncode == 0


async def test_the_next_start_completes_an_interrupted_start(home: Path) -> None:
    mails = home / ".loupe" / "local" / "mails"
    async with up(home) as first:
        async with asyncio.timeout(SECONDS):
            while not list(mails.glob("[!.]*-jane@example.com.eml")):
                await asyncio.sleep(0.02)
        first.send_signal(signal.SIGINT)
        await asyncio.wait_for(first.communicate(), SECONDS)
    async with up(home) as second:
        found = await until_ready(home, second)
        headers = {"Authorization": f"Bearer {found['token']}"}
        async with httpx2.AsyncClient(base_url=found["api"], headers=headers) as client:
            usage = (await client.get("/api/usage")).json()
        second.send_signal(signal.SIGINT)
        await asyncio.wait_for(second.communicate(), SECONDS)

    assert first.returncode == 0
    assert usage["data"]["plan"] == "professional"


async def answers(api: str) -> bool:
    async with httpx2.AsyncClient() as client:
        try:
            return (await client.get(f"{api}/readyz")).is_success
        except httpx2.TransportError:
            return False
