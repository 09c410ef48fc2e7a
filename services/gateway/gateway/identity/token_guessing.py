"""Limits the guessing of tokens.

A token that auth has refused in this hour is not sent to auth again. A wrong token
that is repeated therefore counts only once. An address that sent too many wrong tokens cannot try new ones.
"""

import time
from collections import Counter

import prometheus_client

from common import errors, security_events
from gateway.identity.limits import HOUR
from loupe import refusals

LARGEST_CACHE = 10_000
token_checks = prometheus_client.Counter("loupe_token_checks_total", "Checks of bearer tokens", ["outcome"])


class TokenGuessLimiter:
    """Counts wrong tokens by address. An address may send `limit` different ones in a clock hour."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._window = 0
        self._wrong_tokens: set[bytes] = set()
        self._guesses: Counter[str] = Counter()

    def check(self, key: bytes, address: str) -> None:
        """Raise if the token is known to be wrong, or if the address has sent too many wrong tokens."""
        window = int(time.time()) // HOUR
        if window != self._window:
            self._window, self._wrong_tokens, self._guesses = window, set(), Counter()
        if key in self._wrong_tokens:
            token_checks.labels("known wrong").inc()
            raise errors.refused(refusals.UNAUTHENTICATED)
        if self._guesses[address] >= self._limit:
            token_checks.labels("too many wrong").inc()
            raise errors.refused(refusals.TOO_MANY_REQUESTS)

    def count_guess(self, key: bytes, address: str) -> None:
        """Count a wrong token against the address."""
        if len(self._guesses) >= LARGEST_CACHE:
            self._guesses.clear()
        self._guesses[address] += 1
        security_events.record("token.guessed")
        self.remember_wrong(key)

    def remember_wrong(self, key: bytes) -> None:
        """Remember that the token is wrong."""
        if len(self._wrong_tokens) >= LARGEST_CACHE:
            self._wrong_tokens.clear()
        self._wrong_tokens.add(key)
