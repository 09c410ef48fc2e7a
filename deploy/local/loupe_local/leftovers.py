"""Kill the processes that a killed supervisor left behind.

It wrote their ids and start times to local.json. A process with the same id and another start time is spared.
"""

import asyncio
import contextlib
from pathlib import Path

import psutil

from loupe_local.log import Sink
from loupe_local.process import process_tree, survivors
from loupe_local.state import read


async def kill_all(local_json: Path, sink: Sink) -> None:
    """Kill the processes in local.json. The caller holds the folder's lock: no live supervisor owns them."""
    for name, entry in read(local_json).get("components", {}).items():
        if entry["pid"] is not None:
            await _kill(name, entry["pid"], entry["started"], sink)


async def _kill(name: str, pid: int, started: float, sink: Sink) -> None:
    try:
        leader = psutil.Process(pid)
        if abs(leader.create_time() - started) > 1:  # another process has this id by now
            return
    except psutil.NoSuchProcess:
        return
    members = {leader} | await asyncio.to_thread(process_tree, pid)
    sink(name, f"process {pid} of an earlier run is still running; killed")
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    if await survivors(members, seconds=10):
        sink(name, f"process {pid} is still running 10 s after it was killed; starting anyway")
