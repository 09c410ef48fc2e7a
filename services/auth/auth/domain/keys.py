"""The stored signing keys of internal tokens.

The newest key signs. Older keys stay valid until every token that they signed has expired. Private keys are
encrypted at rest with the cipher that the caller passes.
"""

import secrets
from datetime import timedelta

import sqlalchemy as sa
from cryptography.fernet import MultiFernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import col, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.tables import SigningKey
from common.db import now

USER_TOKEN_SECONDS = 60
SERVICE_TOKEN_SECONDS = 300
VALID_AFTER_RETIREMENT = timedelta(seconds=SERVICE_TOKEN_SECONDS * 2)
"""Longer than any token lives, because another replica may sign with a retired key until it reads the keys
again.
"""
LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext('signing_key'))")
"""Two replicas never create a key at the same time."""


async def read_or_create(session: AsyncSession, cipher: MultiFernet) -> list[SigningKey]:
    """Return all valid keys, the signing key first. Create the first key if there is none."""
    rows = await _read_valid(session)
    if rows:
        return rows
    await _lock(session)
    return await _read_valid(session) or [_add(session, cipher)]


async def rotate(session: AsyncSession, cipher: MultiFernet) -> str:
    """Retire the current key, add a new one that signs from now on, and return its id."""
    await _lock(session)
    await session.exec(
        update(SigningKey).where(col(SigningKey.retired_at).is_(None)).values(retired_at=now())
    )
    return _add(session, cipher).id


async def _lock(session: AsyncSession) -> None:
    await (await session.connection()).execute(LOCK)


async def _read_valid(session: AsyncSession) -> list[SigningKey]:
    is_valid = or_(
        col(SigningKey.retired_at).is_(None), col(SigningKey.retired_at) > now() - VALID_AFTER_RETIREMENT
    )
    found = await session.exec(
        select(SigningKey)
        .where(is_valid)
        .order_by(col(SigningKey.retired_at).desc().nulls_first(), col(SigningKey.created_at).desc())
    )
    return list(found.all())


def _add(session: AsyncSession, cipher: MultiFernet) -> SigningKey:
    private = Ed25519PrivateKey.generate().private_bytes_raw()
    row = SigningKey(id=secrets.token_hex(8), private_key=cipher.encrypt(private))
    session.add(row)
    return row
