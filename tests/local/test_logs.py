"""Each process has a log file of its own, which is started anew with each run. `make logs` prints them."""

import asyncio
import io
import os
from pathlib import Path

import pytest

from loupe_local import follow as module
from loupe_local import log
from loupe_local.error_lines import ErrorLines
from loupe_local.follow import NoSuchLog, follow
from loupe_local.log import to_folder
from loupe_local.state import write

ERROR = "[error    ] could not send the mail            mail_id=7 error='no route' action=retried"


def texts(path: Path) -> list[str]:
    """Return the lines without their date and time."""
    return [line[24:] for line in path.read_text().splitlines()]


def a_run(folder: Path) -> None:
    """Make it look as if this process ran Loupe in the folder."""
    write(folder / "local.json", {"supervisor": os.getpid()})


def test_each_process_has_its_own_file(tmp_path: Path) -> None:
    sink = to_folder(tmp_path / "logs")

    sink("images", "one")
    sink("nats", "two")
    sink("images", "three")

    assert texts(tmp_path / "logs" / "images.log") == ["one", "three"]
    assert texts(tmp_path / "logs" / "nats.log") == ["two"]
    assert (tmp_path / "logs").stat().st_mode & 0o077 == 0


def test_a_run_starts_the_file_anew_and_keeps_the_last_one(tmp_path: Path) -> None:
    for run in ("first", "second", "third"):
        to_folder(tmp_path)("images", run)

    assert texts(tmp_path / "images.log") == ["third"]
    assert texts(tmp_path / "images.log.1") == ["second"]
    assert len(list(tmp_path.iterdir())) == 2


def test_the_files_of_a_process_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LARGEST_FILE_BYTES", 1000)
    sink = to_folder(tmp_path)

    for number in range(100):
        sink("images", f"line {number:03}")

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2100
    assert texts(tmp_path / "images.log")[-1] == "line 099"


def test_a_line_that_cannot_be_written_does_not_stop_the_processes(tmp_path: Path) -> None:
    sink = to_folder(tmp_path)
    sink("full", "before")
    (tmp_path / "full.log").unlink()
    (tmp_path / "full.log").symlink_to("/dev/full")

    sink("full", "after")
    sink("images", "line")

    assert texts(tmp_path / "images.log") == ["line"]


def test_an_error_of_a_service_is_printed_once_and_in_words(tmp_path: Path) -> None:
    said, sink = list[str](), list[tuple[str, str]]()
    lines = ErrorLines(lambda name, line: sink.append((name, line)), said.append)
    lines.is_on = True

    for name in ("auth", "auth", "postgres"):
        lines(name, ERROR)
    lines("auth", "[info     ] mail sent mail_id=8")
    lines("auth", "[warning  ] message is retried later subject=auth.mail_wanted")

    assert [line[9:] for line in said] == ["auth error: could not send the mail (make logs NAME=auth)"]
    assert len(sink) == 5


def test_errors_while_loupe_starts_and_stops_are_only_in_the_log(tmp_path: Path) -> None:
    said = list[str]()

    ErrorLines(to_folder(tmp_path), said.append)("auth", ERROR)

    assert said == []
    assert texts(tmp_path / "auth.log") == [ERROR]


async def test_all_logs_are_printed_in_the_order_of_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "images.log").write_text("2026-11-29 12:03:04.100 a\n  more\n2026-11-29 12:03:06.000 c\n")
    (logs / "nats.log").write_text("2026-11-29 12:03:05.000 b\n")

    await follow(tmp_path)

    output = capsys.readouterr()
    assert output.out.splitlines() == [
        "12:03:04 images     | a",
        "  more",
        "12:03:05 nats       | b",
        "12:03:06 images     | c",
    ]
    assert output.err == "Loupe is not running. These lines are from its last run.\n"


async def test_one_log_is_printed_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = to_folder(tmp_path / "logs")
    sink("images", "mine \x1b[31m")
    sink("nats", "another")

    await follow(tmp_path, "images")

    assert [line[24:] for line in capsys.readouterr().out.splitlines()] == [
        "mine \N{REPLACEMENT CHARACTER}[31m"
    ]


async def test_an_unknown_name_is_refused_with_the_names(tmp_path: Path) -> None:
    with pytest.raises(NoSuchLog, match=r"no log 'imagez'.* auth, .*images, .*triton"):
        await follow(tmp_path, "imagez")


async def test_before_the_first_run_there_are_no_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await follow(tmp_path)

    assert "`make up` starts it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


async def test_a_log_is_followed_until_loupe_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(log, "LARGEST_FILE_BYTES", 1000)
    a_run(tmp_path)
    sink = to_folder(tmp_path / "logs")
    sink("images", "line 000")
    printed = ""

    async with asyncio.timeout(20):
        following = asyncio.create_task(follow(tmp_path, "images"))
        for number in range(1, 100):  # the file is started anew several times
            sink("images", f"line {number:03}")
            while f"line {number:03}\n" not in printed:
                await asyncio.sleep(0)
                printed += capsys.readouterr().out
        (tmp_path / "local.json").unlink()
        await following

    assert [line[24:] for line in printed.splitlines()] == [f"line {number:03}" for number in range(100)]
    assert capsys.readouterr().err == "Loupe has stopped.\n"


class ATerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_are_left_out_where_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with_colour = log.wants_colour(ATerminal())

    monkeypatch.setenv(variable, value)

    assert with_colour
    assert not log.wants_colour(ATerminal())
    assert not log.wants_colour(io.StringIO())
