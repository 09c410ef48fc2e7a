"""Runs the programs that install, shows how far they are, and writes what they print to a log."""

import contextlib
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path

from progress import Output
from stage import Stage

LOG = Path(".loupe/install.log")
ROWS, COLUMNS = 200, 200
"""So large that no bar is cut off."""
ENVIRONMENT = {"TERM": "xterm", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "PIP_NO_INPUT": "1"}


class Failed(Exception):
    """A program failed. It holds what the program printed, and its exit status."""

    def __init__(self, lines: list[str], status: int) -> None:
        super().__init__(lines, status)
        self.lines = lines
        self.status = status


class Runner:
    """Runs the commands of one stage one after another."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.output = Output()
        self.activity = ""

    def begin(self, activity: str) -> None:
        """Show what is being done now, whenever nothing is being downloaded."""
        self.activity = activity
        self.stage.show(activity)

    def run(self, *command: str | Path, on_line: Callable[[str], None] | None = None) -> None:
        """Run a command. Raise `Failed`."""
        started = len(self.output.lines)
        write_log(f"$ {' '.join(map(str, command))}")
        reading, writing = open_terminal()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=os.environ | ENVIRONMENT,
            )
        finally:
            os.close(writing)
        try:
            self._follow(reading, on_line)
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            os.close(reading)
        if status:
            raise Failed(self.output.lines[started:], status)

    def describe_download(self) -> str:
        """Return how much was downloaded."""
        total = self.output.downloaded()[1]
        return f"{total / 1e6:.0f} MB downloaded" if total else "nothing to download"

    def _follow(self, reading: int, on_line: Callable[[str], None] | None) -> None:
        while True:
            ready, _, _ = select.select([reading], [], [], 0.5)
            if ready:
                try:
                    data = os.read(reading, 2**16)
                except OSError:  # how a terminal reports its end
                    data = b""
                if not data:
                    self.output.finish()
                    return
                for line in self.output.feed(data.decode(errors="replace")):
                    write_log(line)
                    if on_line:
                        on_line(line)
            self._show()

    def _show(self) -> None:
        done, total = self.output.downloaded()
        if done < total:
            self.stage.show(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB downloaded")
        elif self.activity:
            self.stage.show(self.activity)


def open_terminal() -> tuple[int, int]:
    """Return the ends of a terminal, because programs show progress only there, or else of a pipe."""
    try:
        reading, writing = pty.openpty()
    except OSError:  # some containers have none
        return os.pipe()
    ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    return reading, writing


def write_log(line: str) -> None:
    with contextlib.suppress(OSError), LOG.open("a") as log:  # a full disk is reported by the program itself
        log.write(f"{line}\n")
