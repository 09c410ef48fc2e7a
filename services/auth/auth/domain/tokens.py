"""API tokens: `<id>|<40 letters or digits><8 hex digits>`, the last being the CRC-32 of the forty.

The checksum lets a mistyped or invented token be refused without asking the database.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Collection
from datetime import timedelta

from sqlmodel import col, delete, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.tables import Token, User
from common import errors, outbox
from common.db import now
from common.identity import Principal
from loupe.auth.v1 import auth_pb2 as pb

ABILITIES = ("images:read", "images:write", "images:delete", "user:read")
LETTERS = string.ascii_letters + string.digits
TEXT = re.compile(r"([1-9][0-9]{0,17})\|([A-Za-z0-9]{40})([0-9a-f]{8})")
USED_EVERY = timedelta(minutes=1)
LONGEST_NAME = 255


async def create(
    session: AsyncSession, user: User, name: str, abilities: Collection[str] = ABILITIES
) -> tuple[Token, str]:
    """The row and the text, which is told only now."""
    secret = "".join(secrets.choice(LETTERS) for _ in range(40))
    token = Token(
        user_id=user.id or 0,
        name=name.replace("\0", "")[:LONGEST_NAME] or "API token",
        abilities=list(abilities),
        secret_hash=_digest(secret),
    )
    session.add(token)
    await session.flush()
    return token, f"{token.id}|{secret}{_checksum(secret)}"


async def authenticate(session: AsyncSession, text: str) -> tuple[User, Token]:
    """Raises `Unauthenticated` for anything but the text of a live token."""
    match = TEXT.fullmatch(text)
    if not match or not hmac.compare_digest(_checksum(match[2]), match[3]):
        raise _refused()
    found = (
        await session.exec(select(User, Token).where(Token.id == int(match[1]), Token.user_id == User.id))
    ).one_or_none()
    if not found or not hmac.compare_digest(found[1].secret_hash, _digest(match[2])):
        raise _refused()
    user, token = found
    if token.expires_at and token.expires_at <= now():
        raise _refused()
    await _touch(session, token)
    return user, token


async def of_user(session: AsyncSession, user_id: int) -> list[Token]:
    is_live = or_(col(Token.expires_at).is_(None), col(Token.expires_at) > now())
    found = await session.exec(select(Token).where(Token.user_id == user_id, is_live).order_by(col(Token.id)))
    return list(found.all())


async def revoke(session: AsyncSession, user_id: int, *token_ids: int) -> None:
    """Revokes these tokens of the user, or all of them where none is named."""
    statement = delete(Token).where(col(Token.user_id) == user_id)
    if token_ids:
        statement = statement.where(col(Token.id).in_(token_ids))
    revoked = (await session.exec(statement.returning(col(Token.id)))).scalars().all()
    if token_ids and not revoked:
        raise errors.NotFound("Token not found.", reason="token_not_found")
    await outbox.publish(
        session, "auth.tokens_revoked", pb.TokensRevoked(user_id=user_id, token_ids=list(revoked))
    )


def require_may_revoke(principal: Principal, token_id: int) -> None:
    """Any token may end itself."""
    if token_id != principal.token_id:
        require_all_abilities(principal.abilities)


def require_all_abilities(abilities: Collection[str]) -> None:
    """Ending tokens other than one's own takes a token that may do everything."""
    for ability in ABILITIES:
        if ability not in abilities:
            raise errors.PermissionDenied(f"The token lacks the ability {ability}.", reason="missing_ability")


async def _touch(session: AsyncSession, token: Token) -> None:
    if token.last_used_at is None or now() - token.last_used_at >= USED_EVERY:
        await session.exec(update(Token).where(col(Token.id) == token.id).values(last_used_at=now()))


def _refused() -> errors.Unauthenticated:
    return errors.Unauthenticated("Unauthenticated.", reason="unauthenticated")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checksum(secret: str) -> str:
    return f"{zlib.crc32(secret.encode()):08x}"
