"""Runs `logging_service` in a process, and reads what it logs."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from loupe_local.state import REPOSITORY

Line = Mapping[str, Any]


async def read_log(environment: Mapping[str, str] | None = None) -> list[Line]:
    """Start the service, stop it with SIGTERM once it is ready, and return all lines. It must exit with 0."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.common.logging_service",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        cwd=REPOSITORY,
    )
    assert process.stdout
    lines: list[Line] = []
    async with asyncio.timeout(60):
        async for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "ready":
                process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0, lines
    return lines


def line_of(lines: list[Line], event: str) -> Line:
    """Return the only line with this event."""
    [line] = [line for line in lines if line["event"] == event]
    return line
