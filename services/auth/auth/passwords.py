"""Password rules and hashing: argon2id (RFC 9106) with OWASP's parameters m=19 MiB, t=2, p=1.

Hashing runs in threads. The number of hashes at a time is limited, because each takes 19 MiB.
"""

import asyncio
import re
import unicodedata

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from zxcvbn.frequency_lists import FREQUENCY_LISTS

ARGON2ID = PasswordHash((Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1),))
DUMMY_HASH = ARGON2ID.hash("not a password")
MAX_LENGTH = 1024
MOST_COMMON = frozenset(FREQUENCY_LISTS["passwords"][:10_000])
"""In lower case, from leaked passwords. They are sorted by how common they are."""


class Hasher:
    """Hashes and checks passwords, at most `threads` at a time."""

    def __init__(self, threads: int) -> None:
        self._slots = asyncio.Semaphore(threads)

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(ARGON2ID.hash, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password is right.

        An unknown user (None) takes as long as a wrong password, so that the time reveals no accounts.
        """
        async with self._slots:
            compared = password_hash or DUMMY_HASH
            is_right = await asyncio.to_thread(ARGON2ID.verify, password[:MAX_LENGTH], compared)
        return is_right and password_hash is not None


def problems(password: str, confirmation: str, *, refuse_common: bool) -> list[str]:
    """Return what is wrong with a new password, as texts for the user."""
    if not password:
        return ["The password field is required."]
    rules = [
        (len(password) >= 8, "The password must be at least 8 characters."),
        (len(password) <= MAX_LENGTH, f"The password may not be greater than {MAX_LENGTH} characters."),
        (
            re.search(r"[a-z]", password) and re.search(r"[A-Z]", password),
            "The password must contain at least one uppercase and one lowercase letter.",
        ),
        (re.search(r"\d", password), "The password must contain at least one number."),
        (password == confirmation, "The password confirmation does not match."),
    ]
    broken = [text for is_met, text in rules if not is_met]
    if not broken and refuse_common and _spelled_plainly(password) in MOST_COMMON:
        return ["The password is one of the most common ones. Please choose another."]
    return broken


def _spelled_plainly(password: str) -> str:
    """Return the password in lower case, without spaces around it and without compatible forms of letters."""
    return unicodedata.normalize("NFKC", password).casefold().strip()
