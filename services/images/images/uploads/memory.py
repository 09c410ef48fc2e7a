"""The memory that files take while they are received, checked and stored, and its limit."""

import contextlib
from collections import Counter
from collections.abc import Generator

from common import errors
from loupe import refusals

RETRY_AFTER_SECONDS = 10
"""By then some of the uploads have ended."""


class UploadMemory:
    """Counts the bytes of all uploads that this process has in memory, up to `most_bytes`.

    No user may take more than half of them.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._used_by = Counter[int]()

    @property
    def used(self) -> int:
        return self._used_by.total()

    @contextlib.contextmanager
    def account(self, user_id: int) -> Generator["Account"]:
        """Yield the account of one upload. At the end of the block its bytes no longer count."""
        account = Account(self, user_id)
        try:
            yield account
        finally:
            account.remove(account.used)

    def take(self, user_id: int, count: int) -> None:
        """Count more bytes. Raise `Unavailable` if they would exceed a limit."""
        if self._used_by[user_id] + count > self._most // 2:
            raise errors.refused_for(RETRY_AFTER_SECONDS, refusals.TOO_MANY_UPLOADS)
        if self.used + count > self._most:
            raise errors.refused_for(RETRY_AFTER_SECONDS, refusals.UPLOADS_FULL)
        self._used_by[user_id] += count

    def give_back(self, user_id: int, count: int) -> None:
        self._used_by[user_id] -= count
        if not self._used_by[user_id]:
            del self._used_by[user_id]


class Account:
    """The bytes of one upload that are in memory."""

    def __init__(self, memory: UploadMemory, user_id: int) -> None:
        self._memory = memory
        self.user_id = user_id
        self.used = 0

    def add(self, count: int) -> None:
        """Count bytes before they are stored. Raise `Unavailable` if there is no memory for them."""
        self._memory.take(self.user_id, count)
        self.used += count

    def remove(self, count: int) -> None:
        self._memory.give_back(self.user_id, count)
        self.used -= count
