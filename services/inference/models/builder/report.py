"""Says what the builder does: how exactly networks were converted, and how far it is."""

import sys
from pathlib import Path


class Report:
    """Prints notes; with a log it writes them there, and prints the progress instead."""

    def __init__(self, log: Path | None) -> None:
        self._log = log

    def note(self, text: str) -> None:
        """Report a result."""
        if self._log is None:
            self.warn(text)
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            log.write(f"{text}\n")

    def show(self, how_far: str) -> None:
        """Report progress."""
        if self._log is not None:
            self.warn(how_far)

    def show_counts(self, done: int, total: int) -> None:
        self.show(f"{done} of {total} converted and checked")

    def warn(self, text: str) -> None:
        """Print what everybody should read."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
