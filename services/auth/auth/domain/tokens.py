"""API tokens: `<id>|<40 letters or digits><8 hex digits>`. The last eight are the CRC-32 of the forty.

The checksum lets the service refuse a mistyped or invented token without a query. The database stores only
the SHA-256 of the forty characters. A session of the console has a text of the same form.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, func, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.domain import instants, users
from auth.recording import record
from auth.tables import Token, User
from common import errors, labels, outbox
from common.db import now
from common.identity import Principal
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb
from loupe.contract import ABILITIES

SECRET_CHARACTERS = string.ascii_letters + string.digits
TOKEN_FORMAT = re.compile(r"([1-9][0-9]{0,17})\|([A-Za-z0-9]{40})([0-9a-f]{8})")
LAST_USED_RESOLUTION = timedelta(minutes=1)
"""`last_used_at` is written at most this often, so that most requests only read."""
CONSOLE_IDLE = timedelta(hours=12)
"""Time from the last use of a console session until it ends."""
MAX_NAME_LENGTH = 255
IS_API_TOKEN = col(Token.console_ends_at).is_(None)
LARGEST_LOGGED = 20
"""The most ids of revoked tokens in one line of the log."""


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """The checked values of a request for a new token."""

    name: str
    abilities: Sequence[str]
    expires_at: datetime | None


def check_spec(name: str, abilities: Sequence[str], expires_at: str) -> TokenSpec:
    """Return the spec, or raise `InvalidArgument` with every field that is wrong.

    Empty `abilities` mean all abilities. An empty `expires_at` means that the installation's default counts.
    """
    instant = instants.parse(expires_at)
    users.raise_if_any(
        {
            "name": users.name_problems(name),
            "abilities": _ability_problems(abilities),
            "expires_at": _expiry_problems(expires_at, instant),
        }
    )
    return TokenSpec(name.strip(), abilities or ABILITIES, instant)


async def lock_caller(session: AsyncSession, principal: Principal) -> User:
    """Return the caller, and lock the row. Refuse if the caller's token has been revoked meanwhile.

    A change that a thief sent just before the owner ended all sessions must not happen after that.
    """
    user = await users.lock_existing(session, principal.user_id)
    if await session.get(Token, principal.token_id) is None:
        raise _unauthenticated()
    return user


async def create_by_token(
    session: AsyncSession, principal: Principal, spec: TokenSpec, *, most: int
) -> tuple[Token, str]:
    """Create a token for a caller with another token, unless that has been revoked meanwhile."""
    if await users.lock(session, principal.user_id) is None:
        raise _unauthenticated()
    user = await lock_caller(session, principal)
    created = await create(session, user, spec, most=most, spared_id=principal.token_id)
    await record(session, "token.created", user_id=user.id, token_id=created[0].id)
    return created


async def create_by_login(
    session: AsyncSession, user: User, device_name: str, expires_at: datetime | None, *, most: int
) -> tuple[Token, str]:
    """Create a token for a user who has just proven who they are. Any text will do as the device's name."""
    spec = TokenSpec(
        labels.clean(labels.clean(device_name)[:MAX_NAME_LENGTH]) or "API token", ABILITIES, expires_at
    )
    created = await create(session, user, spec, most=most, signed_in_at=now())
    await record(session, "sign_in.admitted", user_id=user.id, token_id=created[0].id)
    return created


async def create(
    session: AsyncSession,
    user: User,
    spec: TokenSpec,
    *,
    most: int,
    signed_in_at: datetime | None = None,
    spared_id: int = 0,
    console_ends_at: datetime | None = None,
) -> tuple[Token, str]:
    """Add a token to a user whose row is locked or new. Return it, and its text.

    The text is returned only here, because only its hash is stored. The user's expired tokens are deleted,
    and if more than `most` of its kind are left, the ones that have been unused for the longest time. The
    token with `spared_id`, the caller's own, goes last.
    """
    is_expired = (col(Token.user_id) == user.id, col(Token.expires_at) <= now())
    await session.exec(delete(Token).where(*is_expired))
    is_same_kind = col(Token.console_ends_at).is_not(None) if console_ends_at else IS_API_TOKEN
    await _evict(session, user.id or 0, is_same_kind, keep=most - 1, spared_id=spared_id)
    secret = "".join(secrets.choice(SECRET_CHARACTERS) for _ in range(40))
    token = Token(
        user_id=user.id or 0,
        name=spec.name,
        abilities=list(spec.abilities),
        secret_hash=_sha256(secret),
        expires_at=spec.expires_at,
        signed_in_at=signed_in_at,
        console_ends_at=console_ends_at,
    )
    session.add(token)
    await session.flush()
    return token, f"{token.id}|{secret}{_checksum(secret)}"


async def _evict(
    session: AsyncSession, user_id: int, is_chosen: ColumnElement[bool], *, keep: int, spared_id: int
) -> None:
    """Revoke all but `keep` of the chosen tokens, the longest unused first, and the spared one last."""
    used_at = func.coalesce(col(Token.last_used_at), col(Token.created_at))
    excess = (
        select(Token.id)
        .where(Token.user_id == user_id, is_chosen)
        .order_by((col(Token.id) == spared_id).desc(), used_at.desc(), col(Token.id).desc())
        .offset(keep)
    )
    statement = delete(Token).where(col(Token.id).in_(excess)).returning(col(Token.id))
    if evicted := (await session.exec(statement)).scalars().all():
        await _publish_revoked(session, user_id, evicted, "token.evicted")


async def gives_more(session: AsyncSession, principal: Principal, spec: TokenSpec) -> bool:
    """Return whether the token of the spec would outlive the caller's token, or allow more than it."""
    own = await session.get(Token, principal.token_id)
    if own is None:
        return False
    outlives = own.expires_at is not None and (spec.expires_at is None or spec.expires_at > own.expires_at)
    return outlives or not set(spec.abilities) <= set(own.abilities)


async def authenticate(
    session: AsyncSession, text: str, *, is_console_session: bool = False
) -> tuple[User, Token]:
    """Return the token and its user, or raise `Unauthenticated`. Writes `last_used_at` once a minute.

    A session of the console is valid only as such, because its text has no place outside of the cookie.
    """
    match = TOKEN_FORMAT.fullmatch(text)
    if not match or not hmac.compare_digest(_checksum(match[2]), match[3]):
        raise _unauthenticated()
    found = (
        await session.exec(select(User, Token).where(Token.id == int(match[1]), Token.user_id == User.id))
    ).one_or_none()
    if not found or not hmac.compare_digest(found[1].secret_hash, _sha256(match[2])):
        raise _unauthenticated()
    user, token = found
    if (token.console_ends_at is not None) != is_console_session:
        raise _unauthenticated()
    if token.expires_at and token.expires_at <= now():
        raise _unauthenticated()
    await _update_last_used(session, token)
    return user, token


async def list_for_user(session: AsyncSession, user_id: int) -> list[Token]:
    """Return the user's API tokens that have not expired, oldest first."""
    is_valid = or_(col(Token.expires_at).is_(None), col(Token.expires_at) > now())
    found = await session.exec(
        select(Token).where(Token.user_id == user_id, is_valid, IS_API_TOKEN).order_by(col(Token.id))
    )
    return list(found.all())


async def revoke(session: AsyncSession, principal: Principal, token_id: int) -> None:
    """Revoke a token of the caller, or end the caller's own session of the console."""
    user_id = principal.user_id
    may_be_revoked = or_(IS_API_TOKEN, col(Token.id) == principal.token_id)
    statement = delete(Token).where(col(Token.user_id) == user_id, col(Token.id) == token_id, may_be_revoked)
    revoked = (await session.exec(statement.returning(col(Token.id)))).scalars().all()
    if not revoked:
        raise errors.refused(refusals.TOKEN_NOT_FOUND)
    await _publish_revoked(session, user_id, revoked)


async def revoke_all(session: AsyncSession, user_id: int, *, except_token_id: int = 0) -> None:
    """Revoke all tokens of the user, except one if it is given.

    The lock on the user's row makes sure that tokens which are just being created are revoked too.
    """
    await users.lock(session, user_id)
    statement = delete(Token).where(col(Token.user_id) == user_id, col(Token.id) != except_token_id)
    revoked = (await session.exec(statement.returning(col(Token.id)))).scalars().all()
    await _publish_revoked(session, user_id, revoked)


async def _publish_revoked(
    session: AsyncSession, user_id: int, token_ids: Sequence[int | None], event: str = "token.revoked"
) -> None:
    ids = [token_id for token_id in token_ids if token_id]
    if ids:
        await record(session, event, user_id=user_id, token_ids=ids[:LARGEST_LOGGED])
    await outbox.publish(session, "auth.tokens_revoked", pb.TokensRevoked(user_id=user_id, token_ids=ids))


def require_may_revoke(principal: Principal, token_id: int) -> None:
    """Allow a token to revoke itself, whatever its abilities. Revoking others requires all abilities."""
    if token_id != principal.token_id:
        require_all_abilities(principal.abilities)


def require_all_abilities(abilities: Collection[str]) -> None:
    """Raise `PermissionDenied` if an ability is missing. Changes to the account require all of them."""
    for ability in ABILITIES:
        if ability not in abilities:
            raise errors.refused(refusals.MISSING_ABILITY, ability=ability)


def _ability_problems(abilities: Sequence[str]) -> list[str]:
    if any(ability not in ABILITIES for ability in abilities):
        return [f"The abilities may only be: {', '.join(ABILITIES)}."]
    return ["The abilities may not name one twice."] if len(set(abilities)) < len(abilities) else []


def _expiry_problems(text: str, instant: datetime | None) -> list[str]:
    if text and instant is None:
        return ["The expires at must be an instant such as 2030-01-31T12:00:00Z."]
    return ["The expires at must be in the future."] if instant and instant <= now() else []


async def _update_last_used(session: AsyncSession, token: Token) -> None:
    instant = now()
    if token.last_used_at is None or instant - token.last_used_at >= LAST_USED_RESOLUTION:
        values = {"last_used_at": instant}
        if token.console_ends_at:
            values["expires_at"] = min(instant + CONSOLE_IDLE, token.console_ends_at)
        await session.exec(update(Token).where(col(Token.id) == token.id).values(**values))


def _unauthenticated() -> errors.ServiceError:
    return errors.refused(refusals.UNAUTHENTICATED)


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checksum(secret: str) -> str:
    return f"{zlib.crc32(secret.encode()):08x}"
