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

    No user may have more than what stays free beside: one user gets half of the bytes, each of two a third,
    each of ten an eleventh. However many users hold uploads, one who comes later finds room.
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
        """Count more bytes. Raise `Unavailable` if the user would have more of them than stay free."""
        own, used = self._used_by[user_id] + count, self.used + count
        if own > self._most - used:
            is_own_fault = own > used // 2
            refusal = refusals.TOO_MANY_UPLOADS if is_own_fault else refusals.UPLOADS_FULL
            raise errors.refused_for(RETRY_AFTER_SECONDS, refusal)
        self._used_by[user_id] = own

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
