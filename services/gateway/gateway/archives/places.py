"""Limits how many archives of a user this gateway sends at a time."""

import contextlib
from collections import Counter
from collections.abc import Generator

from prometheus_client import Gauge

from common import errors
from loupe import refusals

MOST_ARCHIVES = 2
RETRY_AFTER_SECONDS = 10

open_archives = Gauge("loupe_archives_open", "Archives of batches that are being sent")


class ArchivePlaces:
    def __init__(self) -> None:
        self._of_user = Counter[int]()

    @property
    def count(self) -> int:
        """The number of archives that are being sent."""
        return self._of_user.total()

    def refuse_another(self, user_id: int) -> None:
        """Raise `ResourceExhausted` if two archives of the user are being sent already."""
        if self._of_user.get(user_id, 0) >= MOST_ARCHIVES:
            raise errors.refused_for(RETRY_AFTER_SECONDS, refusals.TOO_MANY_ARCHIVES)

    @contextlib.contextmanager
    def place(self, user_id: int) -> Generator[None]:
        """Count an archive of the user."""
        self._of_user[user_id] += 1
        open_archives.inc()
        try:
            yield
        finally:
            open_archives.dec()
            self._of_user[user_id] -= 1
            if not self._of_user[user_id]:
                del self._of_user[user_id]
