"""Write the output of many processes: as one log, such as `12:03:04 postgres   | …`, or a file for each."""

import contextlib
import os
import sys
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

Sink = Callable[[str, str], None]
"""A function that takes the name of a process and one line of its output."""

COLOURS = (36, 33, 32, 35, 34, 31)
FOLDER_NAME = "logs"
SUFFIX = ".log"
STAMP = "%Y-%m-%d %H:%M:%S"
STAMP_LENGTH = len("2026-11-29 12:03:04.123")
"""A line in the file of a process begins with the local time, to the millisecond."""
LARGEST_FILE_BYTES = 10_000_000


def label(name: str, moment: str, *, colour: bool) -> str:
    text = f"{moment} {name:<10} |"
    return f"\x1b[{COLOURS[zlib.crc32(name.encode()) % len(COLOURS)]}m{text}\x1b[0m" if colour else text


def wants_colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def to_stream(stream: TextIO = sys.stdout) -> Sink:
    colour = wants_colour(stream)

    def sink(name: str, line: str) -> None:
        print(label(name, time.strftime("%H:%M:%S"), colour=colour), line, file=stream, flush=True)

    return sink


def to_file(path: Path) -> Sink:
    """Reopen the file for each line, because a test may move or delete it at any time."""

    def sink(name: str, line: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            to_stream(file)(name, line)

    return sink


def to_folder(folder: Path) -> Sink:
    """Write a file for each process, `NAME.log`. It is started anew with the first line of each run.

    What it held before is in `NAME.log.1`. The same happens when the file reaches its largest size.
    """
    started: set[str] = set()

    def sink(name: str, line: str) -> None:
        path = folder / f"{name}{SUFFIX}"
        with contextlib.suppress(OSError):  # a full disk must not stop the processes
            if name not in started or (path.exists() and path.stat().st_size > LARGEST_FILE_BYTES):
                started.add(name)
                _start_anew(path)
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{datetime.now(UTC).astimezone():{STAMP}.%f}"[:STAMP_LENGTH] + f" {line}\n")

    return sink


def _start_anew(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        path.replace(f"{path}.1")
