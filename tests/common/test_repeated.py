"""A problem that comes back is logged once for each cause and interval, with how often it came."""

import asyncio
import logging

import pytest
import structlog
from sqlalchemy.exc import OperationalError
from structlog.testing import LogCapture

from common import errors, process, repeated, rpc, rpc_failures
from common.repeated import Repeated
from loupe.images.v1 import images_pb2 as pb
from tests.common.harness import Serve
from tests.polling import until


@pytest.fixture
def lines() -> LogCapture:
    return LogCapture()


@pytest.fixture
def problems(lines: LogCapture) -> Repeated:
    return Repeated(structlog.wrap_logger(logging.getLogger("test"), processors=[lines]))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A list whose only number is the time."""
    now = [1000.0]
    monkeypatch.setattr(repeated.time, "monotonic", lambda: now[0])
    return now


def test_a_problem_that_comes_back_is_logged_once_in_ten_seconds(
    problems: Repeated, lines: LogCapture, clock: list[float]
) -> None:
    for _ in range(5):
        problems.warning("the database is away", cause="database", where="GetImage")
        clock[0] += 1.0
    clock[0] += 5.0
    problems.warning("the database is away", cause="database", where="ListImages")

    assert [(line["where"], line.get("repeated")) for line in lines.entries] == [
        ("GetImage", None),
        ("ListImages", 4),
    ]
    assert all(line["log_level"] == "warning" and "cause" not in line for line in lines.entries)


def test_causes_and_events_do_not_hide_each_other(
    problems: Repeated, lines: LogCapture, clock: list[float]
) -> None:
    for event in ("the database is away", "the broker is away"):
        for cause in (OSError, TimeoutError):
            problems.warning(event, cause=cause)

    assert len(lines.entries) == 4


def test_any_number_of_causes_needs_bounded_memory(
    problems: Repeated, lines: LogCapture, clock: list[float]
) -> None:
    for number in range(10 * repeated.MOST_CAUSES):
        problems.warning("failed", cause=number)

    assert len(lines.entries) == 10 * repeated.MOST_CAUSES
    assert len(problems._logged_at) <= repeated.MOST_CAUSES


async def test_any_number_of_calls_that_fail_with_an_outage_make_one_line(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, problems: Repeated, lines: LogCapture
) -> None:
    monkeypatch.setattr(rpc_failures, "REPEATED", problems)
    outage = OperationalError("SELECT 1", {}, Exception("no route"))

    async def fail(request: object, context: rpc.Context) -> object:
        raise outage

    images = await serve(DeleteImage=fail)
    for _ in range(40):
        with pytest.raises(errors.Unavailable):
            await images.stub.DeleteImage(pb.DeleteImageRequest(id=1))

    assert [line["event"] for line in lines.entries] == ["dependency unavailable"]


async def test_any_number_of_periodic_steps_that_fail_with_an_outage_make_one_line(
    monkeypatch: pytest.MonkeyPatch, problems: Repeated, lines: LogCapture
) -> None:
    monkeypatch.setattr(process, "REPEATED", problems)
    attempts = 0

    async def step() -> None:
        nonlocal attempts
        attempts += 1
        raise OperationalError("SELECT 1", {}, Exception("no route"))

    loop = asyncio.create_task(process.every(0.001, step))
    await until(lambda: attempts >= 20)
    loop.cancel()

    assert [line["event"] for line in lines.entries] == ["periodic step failed"]
    assert "exc_info" not in lines.entries[0]
