"""Limits the guessing of passwords and codes, by account and by the client's network address.

After some wrong ones each further attempt has to wait: 30 s, then twice as long each time, up to 15 minutes.
Attempts are counted before the password is checked, so that many at once do not slip through, and a right one
is uncounted.

Strangers must not be able to lock a user out. So a client address from which the user has logged in before
counts only its own attempts. From a new address, a user whose account is being guessed sets a new password by
mail, which makes that address known.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.tables import Guesses, KnownClient
from common import errors
from common.db import now
from loupe import refusals

FIRST_WAIT_SECONDS = 30
LONGEST_WAIT_SECONDS = 900
FORGOTTEN_AFTER = timedelta(days=1)
CLIENT_FORGOTTEN_AFTER = timedelta(days=90)
ADD_ROW = sa.text(
    "INSERT INTO guesses (key, count, counted_at) VALUES (:key, 0, :now) ON CONFLICT (key) DO NOTHING"
)
UNCOUNT = sa.text("UPDATE guesses SET count = greatest(count - :right, 0) WHERE key = :key")
EVERY_ATTEMPT = 1_000_000
FORGET = sa.text(
    "DELETE FROM guesses WHERE key IN"
    " (SELECT key FROM guesses WHERE counted_at < :before LIMIT 100 FOR UPDATE SKIP LOCKED)"
)
SEE = sa.text(
    "INSERT INTO known_client (user_id, client_address, seen_at) VALUES (:user_id, :address, :now)"
    " ON CONFLICT (user_id, client_address) DO UPDATE SET seen_at = :now"
)


class Bucket(NamedTuple):
    """The key of a count, and how many attempts may be wrong before each has to wait. Zero: no limit."""

    key: bytes
    free: int
    is_own: bool = False
    """Whether only the user's own attempts count here, so that a full login forgives all wrong ones."""


async def buckets_of_login(
    session: AsyncSession, email: str, user_id: int, client: str, *, per_account: int, per_address: int
) -> list[Bucket]:
    """Return the buckets of a login. `user_id` is 0 if no user has the mail address.

    `email` is empty if the text is no mail address, so that no account can have it.
    """
    if client and await session.get(KnownClient, (user_id, client)):
        return [_bucket("client", email, client, free=per_account)._replace(is_own=True)]
    buckets = [_bucket("account", email, free=per_account)] if email else []
    return [*buckets, _bucket("address", client, free=per_address)] if client else buckets


def bucket_of_user(user_id: int, *, per_account: int) -> Bucket:
    """Return the bucket of the holder of a token who sends a password or a code."""
    return _bucket("user", str(user_id), free=per_account)


def bucket_of_first_run(client: str, *, per_address: int) -> Bucket:
    """Return the bucket of a code of the first run, which is too long to be guessed from many addresses."""
    return _bucket("first run", client, free=per_address)


def bucket_of_codes(user_id: int, *, per_account: int) -> Bucket:
    """Return the bucket of a login with the right password and a code, for all client addresses."""
    return _bucket("code", str(user_id), free=per_account)._replace(is_own=True)


async def count(session: AsyncSession, buckets: Sequence[Bucket]) -> None:
    """Count an attempt. Refuse it uncounted if it comes too early after too many wrong ones."""
    connection, instant = await session.connection(), now()
    await connection.execute(FORGET, {"before": instant - FORGOTTEN_AFTER})
    for bucket in sorted(bucket for bucket in buckets if bucket.free):  # sorted: two logins never deadlock
        await connection.execute(ADD_ROW, {"key": bucket.key, "now": instant})
        row = await session.get_one(Guesses, bucket.key, with_for_update=True, populate_existing=True)
        excess = row.count - bucket.free
        wait = min(FIRST_WAIT_SECONDS << min(excess, 10), LONGEST_WAIT_SECONDS) if excess >= 0 else 0
        remaining = (row.counted_at + timedelta(seconds=wait) - now()).total_seconds()
        if wait and remaining > 0:
            raise _too_many(int(remaining) + 1)
        row.count, row.counted_at = row.count + 1, now()


async def uncount(session: AsyncSession, buckets: Sequence[Bucket], *, forgive: bool = False) -> None:
    """Take back the count of an attempt that was no guess. `forgive`: the user proved who they are, so that
    the wrong attempts of their own buckets are taken back too.
    """
    connection = await session.connection()
    for bucket in sorted(bucket for bucket in buckets if bucket.free):
        right = EVERY_ATTEMPT if forgive and bucket.is_own else 1
        await connection.execute(UNCOUNT, {"key": bucket.key, "right": right})


async def remember_client(session: AsyncSession, user_id: int, client: str) -> None:
    """Remember that the user has logged in from this client address."""
    if client:
        values = {"user_id": user_id, "address": client, "now": now()}
        await (await session.connection()).execute(SEE, values)
        old = (col(KnownClient.user_id) == user_id, col(KnownClient.seen_at) < now() - CLIENT_FORGOTTEN_AFTER)
        await session.exec(delete(KnownClient).where(*old))


async def forget_clients(session: AsyncSession, user_id: int, *, except_client: str = "") -> None:
    others = (col(KnownClient.user_id) == user_id, col(KnownClient.client_address) != except_client)
    await session.exec(delete(KnownClient).where(*others))


def _bucket(*parts: str, free: int) -> Bucket:
    return Bucket(hashlib.sha256("\0".join(parts).encode()).digest(), free)


def _too_many(seconds: int) -> errors.ServiceError:
    refusal = errors.refused(refusals.TOO_MANY_REQUESTS)
    refusal.retry_after_seconds = seconds
    return refusal
