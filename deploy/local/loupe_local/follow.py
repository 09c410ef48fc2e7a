"""Print the logs of the processes, and follow them while Loupe runs (`make logs`)."""

import asyncio
import heapq
import os
import re
import sys
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

import psutil

from loupe_local.log import FOLDER_NAME, SUFFIX, label, wants_colour
from loupe_local.service_names import NAMES
from loupe_local.state import read
from loupe_local.stores import NAMES as STORES

LAST_LINES = 100
"""Lines of each log that are printed at first, if all logs are printed."""
PAUSE_SECONDS = 0.2
STAMP = re.compile(r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d)\.\d{3} ")


class NoSuchLog(Exception):
    """There is no log of this name. The message lists the names."""


class Tail:
    """Reads the lines of one log that have not been read yet."""

    def __init__(self, path: Path) -> None:
        self.name = path.name.removesuffix(SUFFIX)
        self._path = path
        self._inode = 0
        self._offset = 0

    def new_lines(self) -> Generator[str]:
        """Yield the complete lines since the last call, also those before the file was started anew."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            inode = os.fstat(file.fileno()).st_ino
            if self._inode not in (0, inode):
                yield from self._end_of_earlier_file()
                self._offset = 0
            self._inode = inode
            yield from self._lines_of(file)

    def _end_of_earlier_file(self) -> Generator[str]:
        earlier = Path(f"{self._path}.1")
        if earlier.exists() and earlier.stat().st_ino == self._inode:
            with earlier.open("rb") as file:
                yield from self._lines_of(file)

    def _lines_of(self, file: BinaryIO) -> Generator[str]:
        file.seek(self._offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            self._offset += len(line)
            yield printable(line.decode(errors="replace").rstrip())


async def follow(folder: Path, name: str = "") -> None:
    """Print one log from its start, or the last lines of all logs, and what is added while Loupe runs."""
    logs = folder / FOLDER_NAME
    names = {*STORES, *NAMES, *(path.name.removesuffix(SUFFIX) for path in logs.glob(f"*{SUFFIX}"))}
    if name and name not in names:
        raise NoSuchLog(f"there is no log {name!r}; the logs are {', '.join(sorted(names))}")
    tails = [Tail(logs / f"{each}{SUFFIX}") for each in sorted(names) if name in ("", each)]
    was_running = is_running(folder)
    _print_merged(tails, with_names=not name, limit=None if name else LAST_LINES)
    while is_running(folder):
        await asyncio.sleep(PAUSE_SECONDS)
        _print_merged(tails, with_names=not name)
    if was_running:
        _print_merged(tails, with_names=not name)
        print("Loupe has stopped.", file=sys.stderr)
    elif any(logs.glob(f"*{SUFFIX}")):
        print("Loupe is not running. These lines are from its last run.", file=sys.stderr)
    else:
        print("Loupe has not run yet, so there are no logs. `make up` starts it.", file=sys.stderr)


def is_running(folder: Path) -> bool:
    """Return whether a supervisor uses the folder. It is not locked for this: that would disturb a start."""
    supervisor = read(folder / "local.json").get("supervisor")
    return supervisor is not None and psutil.pid_exists(supervisor)


def printable(text: str) -> str:
    """Replace characters that could control the terminal."""
    return "".join(
        each if each.isprintable() or each == "\t" else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def _print_merged(tails: list[Tail], *, with_names: bool, limit: int | None = None) -> None:
    """Print the new lines of all logs in the order of time."""
    colour = wants_colour(sys.stdout)
    each_log = [_stamped(tail.name, deque(tail.new_lines(), limit)) for tail in tails]
    for _, name, line in heapq.merge(*each_log, key=lambda one: one[0]):
        stamp = STAMP.match(line)
        if with_names and stamp:
            print(label(name, stamp[1], colour=colour), line[stamp.end() :])
        else:
            print(line)
    sys.stdout.flush()


def _stamped(name: str, lines: deque[str]) -> list[tuple[str, str, str]]:
    """Put the time before each line. A line without one, such as that of a traceback, has the time before."""
    moment, stamped = "", list[tuple[str, str, str]]()
    for line in lines:
        found = STAMP.match(line)
        moment = found[0] if found else moment
        stamped.append((moment, name, line))
    return stamped
