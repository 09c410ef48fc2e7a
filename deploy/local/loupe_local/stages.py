"""Print what the start is doing: one line for each stage, such as the database.

On a terminal the lines of running stages are rewritten in place, below the lines of finished ones. Elsewhere
a stage prints a line when it finishes, and one from time to time if it takes long.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Generator
from typing import TextIO

NAME_WIDTH = 22
REDRAW_SECONDS = 0.25
PLAIN_SECONDS = 5.0
"""Time between two lines of a long stage, on an output whose lines cannot be rewritten."""


class Stage:
    """One stage that is running. Its last text is printed when it finishes."""

    def __init__(self, name: str, how_far: str, changed: "Stages") -> None:
        self.name = name
        self.how_far = how_far
        self.result = "ready"
        self.started = self.printed = time.monotonic()
        self._stages = changed

    def progress(self, how_far: str) -> None:
        """Say how far it is, without a full stop: `loading 3 of 7 models`."""
        self.how_far = how_far
        self._stages.redraw()

    def finish(self, result: str) -> None:
        """Set the text of the final line. The default is `ready`; without a text there is no final line."""
        self.result = result

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


class Stages:
    """Prints stages to a stream, or nothing if there is none."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._is_live = stream is not None and can_rewrite(stream)
        self._running: list[Stage] = []
        self._drawn = 0
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def running(self, name: str, how_far: str = "starting") -> Generator[Stage]:
        """Show the stage while the block runs. An interrupted stage leaves no line, a failed one says so."""
        stage = Stage(name, how_far, self)
        self._running.append(stage)
        self._tick()
        final = None
        try:
            yield stage
            if stage.result:
                final = _line(name, f"{stage.result} ({stage.seconds:.1f} s)")
        except Exception:
            final = _line(name, "failed")
            raise
        finally:
            self._running.remove(stage)
            self._print(final)

    def say(self, line: str) -> None:
        """Print a line that stays. Characters that could control the terminal are replaced."""
        self._print("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line))

    def redraw(self) -> None:
        if self._is_live:
            self._print(None)

    def _tick(self) -> None:
        """Print how far the stages are, and do so again later, as long as one is running."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._stream is None or not self._running:
            return
        self.redraw() if self._is_live else self._print_slow()
        with contextlib.suppress(RuntimeError):  # no event loop: the caller redraws
            self._timer = asyncio.get_running_loop().call_later(REDRAW_SECONDS, self._tick)

    def _print_slow(self) -> None:
        for stage in self._running:
            if time.monotonic() - stage.printed >= PLAIN_SECONDS:
                stage.printed = time.monotonic()
                self._print(_line(stage.name, _how_far(stage)))

    def _print(self, final: str | None) -> None:
        """Replace the live lines by a line that stays, if there is one, and the live lines of now."""
        if self._stream is None:
            return
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        erase = f"{up}\r\x1b[J" if self._is_live else ""  # removes the ^C that a terminal prints too
        lines = [] if final is None else [final]
        self._drawn = 0
        if self._is_live:
            columns, rows = shutil.get_terminal_size()
            live = [_cut(_line(each.name, _how_far(each)), columns - 1) for each in self._running[: rows - 2]]
            self._drawn = len(live)
            lines += live
        try:
            self._stream.write(erase + "".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except OSError:  # the reader has gone, as in `make up | head`
            self._stream = None


SILENT = Stages()


def on_terminal() -> Stages:
    """Return stages that are printed to standard output."""
    return Stages(sys.stdout)


def can_rewrite(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _line(name: str, text: str) -> str:
    return f"  {name:<{NAME_WIDTH}}  {text}"


def _how_far(stage: Stage) -> str:
    seconds = f" {stage.seconds:.0f} s" if stage.seconds >= 1 else ""
    return f"{stage.how_far} …{seconds}"


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"
