"""The lines that a start prints: rewritten in place on a terminal, plain elsewhere."""

import asyncio
import io
import os
import pty
import re
from collections.abc import Generator

import pytest

from loupe_local import stages as module
from loupe_local.stages import Stages

FINAL = re.compile(r"^  (\S[^ ]*(?: \S+)*) {2,}(.+) \(\d+\.\d s\)$")


class Terminal:
    """A pseudo-terminal of a given width."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self.stream = os.fdopen(slave, "w", encoding="utf-8", newline="\n")

    def screen(self) -> list[str]:
        """Return the lines that a person sees, after the moves of the cursor."""
        self.stream.flush()
        os.set_blocking(self._master, False)
        written = b""
        try:
            while True:
                written += os.read(self._master, 65536)
        except BlockingIOError:
            return play(written.decode())

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


def play(written: str) -> list[str]:
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.startswith("\x1b[") and part.endswith("A"):
            row -= int(part[2:-1])
        elif part == "\x1b[J":
            lines = [*lines[:row], ""]
        elif part != "\r":
            lines[row] += part
    return [line for line in lines if line]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Generator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "24")
    opened = Terminal()
    yield opened
    opened.close()


def finals(lines: list[str]) -> list[tuple[str, str]]:
    """Return stage and result of the lines, all of which must be final ones."""
    found = [FINAL.match(line) for line in lines]
    assert all(found), lines
    return [(one[1], one[2]) for one in found if one]


def test_a_terminal_shows_each_stage_that_runs_and_how_far_it_is(terminal: Terminal) -> None:
    stages = Stages(terminal.stream)

    with stages.running("database") as database, stages.running("object store"):
        database.progress("creating databases")
        lines = terminal.screen()

    assert lines == ["  database                creating databases …", "  object store            starting …"]


def test_a_stage_that_finishes_keeps_its_line_above_those_that_run(terminal: Terminal) -> None:
    stages = Stages(terminal.stream)

    with stages.running("Triton", "loading 7 models"):
        with stages.running("broker") as broker:
            broker.finish("NATS, port 4222")
        stages.say("12:03:04 nats ready again")
        lines = terminal.screen()

    assert finals(lines[:1]) == [("broker", "NATS, port 4222")]
    assert lines[1:] == ["12:03:04 nats ready again", "  Triton                  loading 7 models …"]


def test_a_live_line_never_wraps(terminal: Terminal) -> None:
    stages = Stages(terminal.stream)

    with stages.running("services", f"waiting for {'a' * 200}"):
        (line,) = terminal.screen()

    assert len(line) == 59
    assert line.endswith("…")


def test_live_lines_leave_nothing_behind(terminal: Terminal) -> None:
    stages = Stages(terminal.stream)

    with stages.running("users"):
        pass

    assert finals(terminal.screen()) == [("users", "ready")]


def test_a_stage_that_fails_says_so(terminal: Terminal) -> None:
    with pytest.raises(OSError, match="no space"), Stages(terminal.stream).running("database"):
        raise OSError("no space")

    assert terminal.screen() == ["  database                failed"]


async def test_an_interrupted_stage_leaves_no_line(terminal: Terminal) -> None:
    with pytest.raises(asyncio.CancelledError), Stages(terminal.stream).running("database"):
        raise asyncio.CancelledError

    assert terminal.screen() == []


async def test_a_live_line_moves_by_itself(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REDRAW_SECONDS", 0.0)
    stages = Stages(terminal.stream)

    with stages.running("database") as stage:
        stage.started -= 7
        async with asyncio.timeout(10):
            while terminal.screen() != ["  database                starting … 7 s"]:
                await asyncio.sleep(0)


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_rewrite_lines_gets_plain_ones(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term) if term else monkeypatch.delenv("TERM")
    stages = Stages(terminal.stream)

    with stages.running("database"):
        during = terminal.screen()

    assert during == []
    assert finals(terminal.screen()) == [("database", "ready")]


def test_a_pipe_gets_one_plain_line_a_stage() -> None:
    pipe = io.StringIO()
    stages = Stages(pipe)

    with stages.running("database") as database, stages.running("broker"):
        database.progress("creating databases")
        database.finish("PostgreSQL")

    assert "\x1b" not in pipe.getvalue()
    assert "\r" not in pipe.getvalue()
    assert finals(pipe.getvalue().splitlines()) == [("broker", "ready"), ("database", "PostgreSQL")]


async def test_a_pipe_hears_from_a_stage_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REDRAW_SECONDS", 0.0)
    pipe = io.StringIO()

    with Stages(pipe).running("Triton", "loading 7 models") as stage:
        stage.started -= 6
        stage.printed -= 6
        async with asyncio.timeout(10):
            while not pipe.getvalue():
                await asyncio.sleep(0)

    assert pipe.getvalue().splitlines()[0] == "  Triton                  loading 7 models … 6 s"


def test_lines_cannot_control_the_terminal() -> None:
    pipe = io.StringIO()

    Stages(pipe).say("image 7  \x1b[31mred\n.jpg")

    assert pipe.getvalue() == "image 7  \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}.jpg\n"


def test_without_a_stream_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with module.SILENT.running("database") as stage:
        stage.progress("creating databases")

    assert capsys.readouterr() == ("", "")


class Gone(io.StringIO):
    """A pipe whose reader has ended."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_has_gone_does_not_stop_the_start() -> None:
    stages = Stages(Gone())

    with stages.running("database"):
        stages.say("one")
    stages.say("two")
