"""Limits the guessing of tokens.

A token that auth has refused in this hour is not sent to auth again. An address that has brought too many
wrong tokens cannot try new ones. Guessing therefore costs auth nothing, and one old token in a loop counts
only once.
"""

import time
from collections import Counter

import prometheus_client

from common import errors
from gateway.identity.limits import HOUR
from loupe import refusals

MOST_REMEMBERED = 10_000
token_checks = prometheus_client.Counter("loupe_token_checks_total", "Bearer tokens looked at", ["outcome"])


class TokenGuessLimiter:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._window = 0
        self._refused: set[bytes] = set()
        self._guesses: Counter[str] = Counter()

    def check(self, key: bytes, address: str) -> None:
        """Raise if the token is known to be wrong, or if the address has brought too many wrong tokens."""
        window = int(time.time()) // HOUR
        if window != self._window:
            self._window, self._refused, self._guesses = window, set(), Counter()
        if key in self._refused:
            token_checks.labels("known wrong").inc()
            raise errors.refused(refusals.UNAUTHENTICATED)
        if self._guesses[address] >= self._limit:
            token_checks.labels("too many wrong").inc()
            raise errors.refused(refusals.TOO_MANY_REQUESTS)

    def add(self, key: bytes, address: str) -> None:
        """Count a wrong token against the address."""
        if len(self._guesses) >= MOST_REMEMBERED:
            self._guesses.clear()
        self._guesses[address] += 1
        self.refuse(key)

    def refuse(self, key: bytes) -> None:
        """Remember that the token is wrong."""
        if len(self._refused) >= MOST_REMEMBERED:
            self._refused.clear()
        self._refused.add(key)
