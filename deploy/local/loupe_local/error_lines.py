"""Print a line for each error that a service logs. Its details, and all other lines, are in the log files."""

import re
import time
from collections.abc import Callable

from loupe_local.log import Sink
from loupe_local.service_names import NAMES

ERROR = re.compile(r"\[(?:error|critical)\s*\]\s+(.+?)(?=\s+\w+=|\s*$)")
"""A readable line of structlog. The event ends where the first `key=value` begins."""
REPEAT_SECONDS = 60.0
"""The same error of the same service is printed again only after this time."""


class ErrorLines:
    """Passes all lines on to a sink, and prints those that are errors."""

    def __init__(self, sink: Sink, say: Callable[[str], None]) -> None:
        self.is_on = False
        """While Loupe starts and stops, services may log errors that mean nothing."""
        self._sink = sink
        self._say = say
        self._printed: dict[tuple[str, str], float] = {}

    def __call__(self, name: str, line: str) -> None:
        self._sink(name, line)
        error = ERROR.match(line) if self.is_on and name in NAMES else None
        if error and self._is_new(name, error[1]):
            self._say(f"{time.strftime('%H:%M:%S')} {name} error: {error[1]} (make logs NAME={name})")

    def _is_new(self, name: str, event: str) -> bool:
        now = time.monotonic()
        self._printed = {key: at for key, at in self._printed.items() if now - at < REPEAT_SECONDS}
        if (name, event) in self._printed:
            return False
        self._printed[name, event] = now
        return True
