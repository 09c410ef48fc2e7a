"""The log of a service process, and its end on SIGTERM."""

import asyncio
import sys
from datetime import datetime, timedelta

import pytest

from tests.common.service_log import Line, line_of, read_log


@pytest.fixture(scope="module")
async def lines() -> list[Line]:
    return await read_log()


async def test_a_line_has_service_level_and_time(lines: list[Line]) -> None:
    line = line_of(lines, "ready")

    assert (line["service"], line["level"]) == ("images", "info")
    age = datetime.now().astimezone() - datetime.fromisoformat(line["timestamp"])
    assert timedelta(0) <= age < timedelta(minutes=5)


async def test_a_line_of_a_servicer_has_the_request_id_of_its_caller(lines: list[Line]) -> None:
    line = line_of(lines, "looked up")

    assert (line["request_id"], line["image_id"]) == ("req-1", 42)


async def test_an_internal_error_is_logged_once_with_request_id_and_traceback(lines: list[Line]) -> None:
    line = line_of(lines, "internal error")

    assert line["request_id"] == "req-1"
    assert line["level"] == "error"
    assert line["where"] == "/loupe.images.v1.ImagesService/DeleteImage"
    assert "KeyError: 'the cause'" in line["exception"]


async def test_bound_values_are_in_lines_of_loupe_and_of_libraries(lines: list[Line]) -> None:
    own, library = line_of(lines, "bound here"), line_of(lines, "from a library 7")

    assert own["request_id"] == library["request_id"] == "req-2"
    assert own["text"] == "Grüße\nzweite Zeile"
    assert library["level"] == "warning"


async def test_values_are_not_bound_after_the_block(lines: list[Line]) -> None:
    assert "request_id" not in line_of(lines, "ready")


async def test_lines_below_the_level_are_dropped(lines: list[Line]) -> None:
    assert not [line for line in lines if "below" in line["event"]]


async def test_the_last_line_reports_the_stop_signal(lines: list[Line]) -> None:
    assert lines[-1]["event"] == "stop signal received"


FAILING = """
import logging
from common import log
log.setup("images", readable=True)
def fail():
    token = "a value that must not be logged"
    raise KeyError("the cause")
for logger in (log.get("own"), logging.getLogger("a library")):
    try:
        fail()
    except KeyError:
        logger.exception("failed")
"""


async def test_a_readable_traceback_shows_no_local_variables() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FAILING, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )

    output, _ = await process.communicate()

    text = output.decode()
    assert text.count("KeyError: 'the cause'") == 2
    assert "a value that must not be logged" not in text
