"""Write the output of many processes as one log, to a terminal or a file: `12:03:04 postgres   | …`."""

import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

Sink = Callable[[str, str], None]
"""A function that takes the name of a process and one line of its output."""

COLOURS = (36, 33, 32, 35, 34, 31)


def to_stream(stream: TextIO = sys.stdout) -> Sink:
    colour = stream.isatty()

    def sink(name: str, line: str) -> None:
        label = f"{time.strftime('%H:%M:%S')} {name:<10} |"
        if colour:
            label = f"\x1b[{COLOURS[zlib.crc32(name.encode()) % len(COLOURS)]}m{label}\x1b[0m"
        print(label, line, file=stream, flush=True)

    return sink


def to_file(path: Path) -> Sink:
    """Reopen the file for each line, because a test may move or delete it at any time."""

    def sink(name: str, line: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            to_stream(file)(name, line)

    return sink
