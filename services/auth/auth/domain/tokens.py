"""API tokens: `<id>|<40 letters or digits><8 hex digits>`, the last being the CRC-32 of the forty.

The checksum lets a mistyped or invented token be refused without asking the database.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlmodel import col, delete, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.domain import users
from auth.tables import Token, User
from common import errors, outbox
from common.db import now
from common.identity import Principal
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb

ABILITIES = ("images:read", "images:write", "images:delete", "user:read")
LETTERS = string.ascii_letters + string.digits
TEXT = re.compile(r"([1-9][0-9]{0,17})\|([A-Za-z0-9]{40})([0-9a-f]{8})")
INSTANT = re.compile(  # RFC 3339
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
USED_EVERY = timedelta(minutes=1)
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token as its user asks for it."""

    name: str
    abilities: Sequence[str]
    expires_at: datetime | None


def check_wanted(name: str, abilities: Sequence[str], expires_at: str) -> Wanted:
    """No abilities are all of them, and no instant is never; raises with every field at fault."""
    until = _instant(expires_at)
    users.refuse(
        {
            "name": users.name_problems(name),
            "abilities": _ability_problems(abilities),
            "expires_at": _expiry_problems(expires_at, until),
        }
    )
    return Wanted(name.strip(), abilities or ABILITIES, until)


async def create_another(session: AsyncSession, principal: Principal, wanted: Wanted) -> tuple[Token, str]:
    """A token that was ended a moment ago leaves no other behind."""
    user = await users.hold(session, principal.user_id)
    if user is None or await session.get(Token, principal.token_id) is None:
        raise _refused()
    return await create(session, user, wanted.name, wanted.abilities, wanted.expires_at)


async def create(
    session: AsyncSession,
    user: User,
    name: str,
    abilities: Collection[str] = ABILITIES,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """The row and the text, which is told only now. The user's expired ones go."""
    is_over = (col(Token.user_id) == user.id, col(Token.expires_at) <= now())
    await session.exec(delete(Token).where(*is_over))
    secret = "".join(secrets.choice(LETTERS) for _ in range(40))
    token = Token(
        user_id=user.id or 0,
        name=name.replace("\0", "")[:LONGEST_NAME] or "API token",
        abilities=list(abilities),
        secret_hash=_digest(secret),
        expires_at=expires_at,
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


async def revoke(session: AsyncSession, user_id: int, token_id: int) -> None:
    statement = delete(Token).where(col(Token.user_id) == user_id, col(Token.id) == token_id)
    revoked = (await session.exec(statement.returning(col(Token.id)))).scalars().all()
    if not revoked:
        raise errors.refused(refusals.TOKEN_NOT_FOUND)
    await _tell(session, user_id, revoked)


async def revoke_all(session: AsyncSession, user_id: int, *, but: int = 0) -> None:
    """All tokens of the user, those included that are being made at this moment."""
    await users.hold(session, user_id)
    statement = delete(Token).where(col(Token.user_id) == user_id, col(Token.id) != but)
    await _tell(session, user_id, (await session.exec(statement.returning(col(Token.id)))).scalars().all())


async def _tell(session: AsyncSession, user_id: int, token_ids: Sequence[int | None]) -> None:
    ids = [token_id for token_id in token_ids if token_id]
    await outbox.publish(session, "auth.tokens_revoked", pb.TokensRevoked(user_id=user_id, token_ids=ids))


def require_may_revoke(principal: Principal, token_id: int) -> None:
    """Any token may end itself."""
    if token_id != principal.token_id:
        require_all_abilities(principal.abilities)


def require_all_abilities(abilities: Collection[str]) -> None:
    """What changes the account, its other tokens among it, takes a token that may do everything."""
    for ability in ABILITIES:
        if ability not in abilities:
            raise errors.refused(refusals.MISSING_ABILITY, ability=ability)


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC) if INSTANT.fullmatch(text) else None
    except (ValueError, OverflowError):  # the 30th of February; the year 0 in UTC
        return None


def _ability_problems(abilities: Sequence[str]) -> list[str]:
    if any(ability not in ABILITIES for ability in abilities):
        return [f"The abilities may only be: {', '.join(ABILITIES)}."]
    return ["The abilities may not name one twice."] if len(set(abilities)) < len(abilities) else []


def _expiry_problems(text: str, until: datetime | None) -> list[str]:
    if text and until is None:
        return ["The expires at must be an instant such as 2030-01-31T12:00:00Z."]
    return ["The expires at must be in the future."] if until and until <= now() else []


async def _touch(session: AsyncSession, token: Token) -> None:
    if token.last_used_at is None or now() - token.last_used_at >= USED_EVERY:
        await session.exec(update(Token).where(col(Token.id) == token.id).values(last_used_at=now()))


def _refused() -> errors.ServiceError:
    return errors.refused(refusals.UNAUTHENTICATED)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checksum(secret: str) -> str:
    return f"{zlib.crc32(secret.encode()):08x}"
