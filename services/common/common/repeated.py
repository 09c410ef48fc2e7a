"""Problems that come back with every call while something is down: a log line for each cause and interval."""

import time
from collections.abc import Hashable
from typing import Any

from structlog.stdlib import BoundLogger

SECONDS = 10.0
MOST_CAUSES = 256


class Repeated:
    """Writes warnings. A warning whose cause was logged less than 10 seconds ago is only counted.

    The next line of that cause says how many were left out, as `repeated`.
    """

    def __init__(self, log: BoundLogger) -> None:
        self._log = log
        self._logged_at: dict[Hashable, float] = {}
        self._left_out: dict[Hashable, int] = {}

    def warning(self, event: str, *, cause: Hashable = "", **fields: Any) -> None:
        """Log the event with these fields. Events with different causes never hide each other."""
        key, now = (event, cause), time.monotonic()
        if now - self._logged_at.get(key, -SECONDS) < SECONDS:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        if len(self._logged_at) >= MOST_CAUSES:
            self._logged_at.clear()
            self._left_out.clear()
        self._logged_at[key] = now
        left_out = self._left_out.pop(key, 0)
        self._log.warning(event, **fields, **({"repeated": left_out} if left_out else {}))
