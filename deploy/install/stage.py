"""One line that says what is being done and how far it is.

On a terminal the line is rewritten. In a pipe there is a line at the start, one every few seconds while
it runs, and one at the end.
"""

import os
import shutil
import sys
import time

NAME_WIDTH = 22
SECONDS_BETWEEN_LINES = 5


class Stage:
    """A step of the installation, as a person sees it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = time.monotonic()
        self._is_live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = ""
        self._shown_at = 0.0

    def show(self, how_far: str) -> None:
        """Show how far the stage is, and for how long it has been running."""
        now = time.monotonic()
        seconds = now - self.started
        line = self._line(
            f"{how_far}, {seconds:.0f} s …" if seconds >= SECONDS_BETWEEN_LINES else f"{how_far} …"
        )
        if line == self._shown or (not self._is_live and now - self._shown_at < SECONDS_BETWEEN_LINES):
            return
        self._shown, self._shown_at = line, now
        if self._is_live:
            self._write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        else:
            self._write(f"{line}\n")

    def end(self, detail: str) -> None:
        """Replace the live line by the result."""
        self.clear()
        seconds = time.monotonic() - self.started
        self._write(f"{self._line(detail)}   {seconds:.0f} s\n")

    def clear(self) -> None:
        """Remove the live line, so that something else can be printed."""
        if self._is_live and self._shown:
            self._write("\r\x1b[K")
        self._shown = ""

    def _line(self, text: str) -> str:
        return f"  {self.name:<{NAME_WIDTH}}  {text}"

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
