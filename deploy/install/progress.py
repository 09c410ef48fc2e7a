"""Reads what uv and pip print on a terminal: their messages, and how much is downloaded."""

import re

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
PASSWORDS = re.compile(r"//[^/@\s]+@")
SPINNER = re.compile(r"[\u2800-\u28ff░█]")
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
UV_BAR = re.compile(r"(\S+) (?:-+ )?([\d.]+) ?([KMG]?i?B)/([\d.]+) ?([KMG]?i?B)")
PIP_BAR = re.compile(r"([\d.]+)/([\d.]+) ([kMG]?B)")
PIP_FILE = re.compile(r"Downloading (\S+\.(?:whl|tar\.gz))")

DOWNLOADS_END = ("Prepared ", "Installing collected", "Saved ", "error", "ERROR")


class Output:
    """The output of one or more commands: `lines` without the bars, and the bytes of all bars."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._rest = ""
        self._file = ""
        self._downloads: dict[str, tuple[float, float]] = {}

    def feed(self, text: str) -> list[str]:
        """Take the next piece of output. Return the lines that it completes, without bars."""
        plain = ESCAPES.sub("\n", COLOURS.sub("", self._rest + text))
        *lines, self._rest = re.split(r"[\r\n]", plain)
        self._read_bar(self._rest)
        return self._take(lines)

    def finish(self) -> None:
        """Take the last line, which has no end."""
        self._take([self._rest])
        self._rest = ""

    def downloaded(self) -> tuple[float, float]:
        """Return how many bytes are downloaded, and how many there are as far as is known."""
        values = self._downloads.values()
        return sum(done for done, _ in values), sum(total for _, total in values)

    def _take(self, lines: list[str]) -> list[str]:
        kept = [
            PASSWORDS.sub("//", line.rstrip())
            for line in lines
            if line.strip(" -━╸╺") and not self._read_bar(line) and not SPINNER.search(line)
        ]
        for line in kept:
            if found := PIP_FILE.search(line):
                self._file = found[1]
            if line.startswith(DOWNLOADS_END):
                self._downloads = {name: (total, total) for name, (_, total) in self._downloads.items()}
        self.lines += kept
        return kept

    def _read_bar(self, line: str) -> bool:
        """Note the bytes of the bars of a line: uv writes several in one. Return whether there are any."""
        if "/" not in line or "B" not in line:
            return False
        line = " ".join(line.split())  # bars are padded with hundreds of spaces
        bars = UV_BAR.findall(line)
        for name, done, unit, total, total_unit in bars:
            if name != "(extract)":
                self._downloads[name] = float(done) * UNITS[unit], float(total) * UNITS[total_unit]
        if not bars and (found := PIP_BAR.search(line)):
            done, total, unit = found.groups()
            self._downloads[self._file] = float(done) * UNITS[unit], float(total) * UNITS[unit]
            return True
        return bool(bars)
