"""What a service writes and how it ends, from outside: a process, its standard output, and SIGTERM."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

Line = Mapping[str, Any]


@pytest.fixture(scope="module")
async def lines() -> list[Line]:
    """All that it wrote until it was told to stop, after which it ended well."""
    program = Path(__file__).with_name("a_service.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout
    written: list[Line] = []
    async with asyncio.timeout(30):
        async for line in process.stdout:
            written.append(json.loads(line))
            if written[-1]["event"] == "ready":
                process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0, written
    return written


def saying(lines: list[Line], event: str) -> Line:
    [line] = [line for line in lines if line["event"] == event]
    return line


async def test_a_line_names_service_level_and_time(lines: list[Line]) -> None:
    line = saying(lines, "ready")

    assert (line["service"], line["level"]) == ("images", "info")
    age = datetime.now().astimezone() - datetime.fromisoformat(line["timestamp"])
    assert timedelta(0) <= age < timedelta(minutes=5)


async def test_a_servicers_line_has_the_request_id_of_its_caller(lines: list[Line]) -> None:
    line = saying(lines, "looked up")

    assert (line["request_id"], line["image_id"]) == ("req-1", 42)


async def test_an_internal_error_is_logged_once_with_request_id_and_traceback(lines: list[Line]) -> None:
    line = saying(lines, "internal error")

    assert line["request_id"] == "req-1"
    assert line["level"] == "error"
    assert line["where"] == "/loupe.images.v1.ImagesService/DeleteImage"
    assert "KeyError: 'the cause'" in line["exception"]


async def test_what_is_bound_is_in_our_lines_and_in_those_of_libraries(lines: list[Line]) -> None:
    ours, theirs = saying(lines, "ours"), saying(lines, "theirs 7")

    assert ours["request_id"] == theirs["request_id"] == "req-2"
    assert ours["text"] == "Grüße\nzweite Zeile"
    assert theirs["level"] == "warning"


async def test_what_is_no_longer_bound_is_gone(lines: list[Line]) -> None:
    assert "request_id" not in saying(lines, "ready")


async def test_the_level_is_kept(lines: list[Line]) -> None:
    assert not [line for line in lines if "quiet" in line["event"]]


async def test_it_says_that_it_stops(lines: list[Line]) -> None:
    assert lines[-1]["event"] == "stopping"


FAILING = """
import logging
from common import log
log.setup("images", readable=True)
def fail():
    token = "what nobody may read"
    raise KeyError("the cause")
for logger in (log.get("ours"), logging.getLogger("a library")):
    try:
        fail()
    except KeyError:
        logger.exception("failed")
"""


async def test_a_readable_traceback_shows_no_values() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FAILING, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )

    output, _ = await process.communicate()

    told = output.decode()
    assert told.count("KeyError: 'the cause'") == 2
    assert "what nobody may read" not in told
