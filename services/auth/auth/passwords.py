"""Passwords: argon2id (RFC 9106) with OWASP's m=19 MiB, t=2, p=1, in threads and only a few at a time."""

import asyncio
import re

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

ARGON2ID = PasswordHash((Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1),))
NOBODYS_HASH = ARGON2ID.hash("not a password")
LONGEST = 1024


class Hasher:
    def __init__(self, threads: int) -> None:
        self._free = asyncio.Semaphore(threads)

    async def hash(self, password: str) -> str:
        async with self._free:
            return await asyncio.to_thread(ARGON2ID.hash, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Takes as long for an unknown user (None) as for a wrong password."""
        async with self._free:
            known = password_hash or NOBODYS_HASH
            is_right = await asyncio.to_thread(ARGON2ID.verify, password[:LONGEST], known)
        return is_right and password_hash is not None


def problems(password: str, confirmation: str) -> list[str]:
    """What is wrong with a new password, in words for the user."""
    if not password:
        return ["The password field is required."]
    rules = [
        (len(password) >= 8, "The password must be at least 8 characters."),
        (len(password) <= LONGEST, f"The password may not be greater than {LONGEST} characters."),
        (
            re.search(r"[a-z]", password) and re.search(r"[A-Z]", password),
            "The password must contain at least one uppercase and one lowercase letter.",
        ),
        (re.search(r"\d", password), "The password must contain at least one number."),
        (password == confirmation, "The password confirmation does not match."),
    ]
    return [text for is_kept, text in rules if not is_kept]
