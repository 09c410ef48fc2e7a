"""The first operator of an installation creates the account with a one-time code.

The code has 100 random bits, so its SHA-256 is enough. It ends after 24 hours, after its use, and as soon as
there is an operator.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.domain import operators
from auth.recording import record
from auth.tables import FirstRun, User
from common import errors
from common.db import now
from loupe import refusals
from loupe.contract import OPERATOR

LIFETIME = timedelta(hours=24)
CODE_LENGTH = 20
LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext('first_run'))")
"""Two people never become the first operator."""
SPACERS = str.maketrans("", "", " -")


async def is_open(session: AsyncSession) -> bool:
    """Return whether there is no operator yet."""
    return (await session.exec(select(User.id).where(User.role == OPERATOR).limit(1))).first() is None


async def start(session: AsyncSession) -> tuple[str, datetime]:
    """Make a code, and return it and its end. An earlier code stops working."""
    await _lock(session)
    if not await is_open(session):
        raise errors.FailedPrecondition(
            "This installation has an operator, so there is no first run.", reason="operator_exists"
        )
    code = base64.b32encode(secrets.token_bytes(16)).decode().lower()[:CODE_LENGTH]
    expires_at = now() + LIFETIME
    await session.exec(delete(FirstRun))
    session.add(FirstRun(code_hash=_hash(code), expires_at=expires_at))
    await record(session, "first_run.code_made", user_id=None)
    return "-".join(code[place : place + 5] for place in range(0, CODE_LENGTH, 5)), expires_at


async def is_valid(session: AsyncSession, code: str) -> bool:
    """Return whether the code admits the first operator now."""
    row = (await session.exec(select(FirstRun).where(col(FirstRun.expires_at) > now()))).one_or_none()
    is_right = row is not None and hmac.compare_digest(row.code_hash, _hash(code))
    return is_right and await is_open(session)


async def finish(session: AsyncSession, code: str, user: User) -> None:
    """Make the new user an operator, which uses up the code. Refuse if it was used meanwhile."""
    await _lock(session)
    if not await is_valid(session, code):
        raise errors.refused(refusals.FIRST_RUN_REFUSED)
    await operators.appoint(session, user)


async def _lock(session: AsyncSession) -> None:
    await (await session.connection()).execute(LOCK)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.translate(SPACERS).lower().encode()).digest()
