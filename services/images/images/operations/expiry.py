"""Deletes images whose time has come, a few at a time."""

from common.db import Sessions
from images.domain import expiry

SECONDS = 10.0
"""Time between two sweeps."""
MOST_BATCHES = 40
"""The most transactions of a sweep, so that the next one starts with the oldest images again."""


class Expiry:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def sweep(self) -> None:
        for _ in range(MOST_BATCHES):
            async with self._sessions.begin() as session:
                deleted = await expiry.delete_some(session)
            if deleted < expiry.AT_ONCE:
                return
