"""Remembers at which hosts the links of manifests fail, so that such a host is left alone for a while.

A manifest has up to a thousand links, and a link whose host fails is tried three times. Without this, one
request of a client would send thousands of requests to a host that has not asked for them.
"""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

MOST_IN_A_ROW = 50
"""Failed requests in a row after which a host is left alone."""
REST_SECONDS = 60.0
"""How long it is left alone after the last of them."""
Key = tuple[int, str]


class FailingHosts:
    """Counts failures in a row, by user and host, so that no user decides about another one's links."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds that only grow."""
        self._clock = clock
        self._failures: dict[Key, tuple[int, float]] = {}
        """How many failed in a row, and when the last one did."""

    def is_left_alone(self, user_id: int, url: str) -> bool:
        """Return whether too many of the user's links at this host have failed lately."""
        self._forget_old()
        count, _ = self._failures.get(_key(user_id, url), (0, 0.0))
        return count >= MOST_IN_A_ROW

    def note_failure(self, user_id: int, url: str) -> None:
        key = _key(user_id, url)
        count, _ = self._failures.pop(key, (0, 0.0))
        self._failures[key] = count + 1, self._clock()  # at the end, so that the oldest ones come first

    def note_success(self, user_id: int, url: str) -> None:
        self._failures.pop(_key(user_id, url), None)

    def _forget_old(self) -> None:
        for key, (_, failed_at) in list(self._failures.items()):
            if self._clock() - failed_at < REST_SECONDS:
                break
            del self._failures[key]


def _key(user_id: int, url: str) -> Key:
    return user_id, (urlsplit(url).hostname or "").lower()
