"""Ends what a killed supervisor left behind: processes it wrote down, while they are the same."""

import asyncio
import contextlib
from pathlib import Path

import psutil

from loupe_local.log import Sink
from loupe_local.process import family, outliving
from loupe_local.state import read


async def end(local_json: Path, sink: Sink) -> None:
    """The caller holds the lock of the folder, so nobody alive owns these."""
    for name, entry in read(local_json).get("components", {}).items():
        if entry["pid"] is not None:
            await _end(name, entry["pid"], entry["started"], sink)


async def _end(name: str, pid: int, started: float, sink: Sink) -> None:
    try:
        leader = psutil.Process(pid)
        if abs(leader.create_time() - started) > 1:  # another process got that number since
            return
    except psutil.NoSuchProcess:
        return
    members = {leader} | await asyncio.to_thread(family, pid)
    sink(name, f"still there from a run that was killed (process {pid}); ended")
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    if await outliving(members, seconds=10):
        sink(name, f"process {pid} does not go away")
