"""Tokens that auth has refused in this hour: it is not asked about them again, nor about any new token of an
address that has brought too many. So guessing costs it nothing, and one old token in a loop is no guessing.
"""

import time
from collections import Counter

import prometheus_client

from common import errors
from gateway.identity.limits import HOUR

REMEMBERED = 10_000
token_checks = prometheus_client.Counter("loupe_token_checks_total", "Bearer tokens looked at", ["outcome"])


class TokenGuessLimiter:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._window = 0
        self._refused: set[bytes] = set()
        self._tries: Counter[str] = Counter()

    def check(self, key: bytes, address: str) -> None:
        """Raises for what need not be asked: a token that is known to be wrong, and one that may be right
        where too many were wrong.
        """
        window = int(time.time()) // HOUR
        if window != self._window:
            self._window, self._refused, self._tries = window, set(), Counter()
        if key in self._refused:
            token_checks.labels("known wrong").inc()
            raise unauthenticated()
        if self._tries[address] >= self._limit:
            token_checks.labels("too many wrong").inc()
            raise errors.ResourceExhausted("Too many requests.", reason="too_many_requests")

    def add(self, key: bytes, address: str) -> None:
        if len(self._tries) >= REMEMBERED:
            self._tries.clear()
        self._tries[address] += 1
        self.refuse(key)

    def refuse(self, key: bytes) -> None:
        if len(self._refused) >= REMEMBERED:
            self._refused.clear()
        self._refused.add(key)


def unauthenticated() -> errors.Unauthenticated:
    return errors.Unauthenticated("Unauthenticated.", reason="unauthenticated")
