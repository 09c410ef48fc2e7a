"""Operators, and what they may do to accounts. Callers lock the user's row first."""

from sqlmodel import delete
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.domain import users
from auth.recording import record
from auth.tables import FirstRun, Token, User
from common import errors
from common.db import now
from loupe import refusals
from loupe.contract import ADMIN, OPERATOR


def abilities_of(user: User, token: Token, *, need_second_factor: bool) -> list[str]:
    """Return what a token or session allows now. Only a session of an operator has the ability `admin`."""
    may_administer = (
        user.role == OPERATOR
        and token.console_ends_at is not None
        and (user.second_factor_at is not None or not need_second_factor)
    )
    return [*token.abilities, ADMIN] if may_administer else list(token.abilities)


async def appoint(session: AsyncSession, user: User) -> None:
    """Make the user an operator, which ends the code of a first run. Repeating it changes nothing."""
    if user.role == OPERATOR:
        return
    if user.email_verified_at is None:  # somebody else may own the address
        raise errors.FailedPrecondition(
            f"the address {user.email} is not verified", reason=refusals.EMAIL_UNVERIFIED.code
        )
    user.role = OPERATOR
    await session.exec(delete(FirstRun))
    await users.mark_changed(session, user)
    await record(session, "operator.appointed", user_id=user.id)


async def dismiss(session: AsyncSession, user: User) -> None:
    """Make an operator an ordinary user. Repeating it changes nothing."""
    if user.role != OPERATOR:
        return
    user.role = "user"
    await users.mark_changed(session, user)
    await record(session, "operator.dismissed", user_id=user.id)


async def block(session: AsyncSession, user: User) -> None:
    """Refuse the user's logins, tokens and sessions from now on. Repeating it changes nothing."""
    if user.blocked_at is None:
        user.blocked_at = now()
        await users.mark_changed(session, user)
        await record(session, "account.blocked", user_id=user.id)


async def unblock(session: AsyncSession, user: User) -> None:
    """Admit the user again. Repeating it changes nothing."""
    if user.blocked_at:
        user.blocked_at = None
        await users.mark_changed(session, user)
        await record(session, "account.unblocked", user_id=user.id)


def refuse_blocked(user: User) -> None:
    if user.blocked_at:
        raise errors.refused(refusals.ACCOUNT_BLOCKED)
