"""Who may log in, and new passwords.

Passwords are hashed and judged outside of any transaction. What is done then is done to the user whom one has
`seen`, and refused where password or address have become others meanwhile.
"""

from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from auth import links, passwords
from auth.domain import users
from auth.tables import User
from common import errors
from common.db import now, once_committed
from loupe import refusals

logins = Counter("loupe_logins_total", "Logins", ["outcome"])


def admit(user: User | None, *, password_is_right: bool) -> User:
    """The user who may log in; the password is judged before the address."""
    if user is None or not password_is_right:
        raise _wrong_login()
    if user.email_verified_at is None:
        logins.labels("unverified").inc()
        raise errors.refused(refusals.EMAIL_UNVERIFIED)
    return user


async def hold_admitted(session: AsyncSession, seen: User) -> None:
    """No new token for a password that was changed, and all tokens ended, while it was being judged."""
    if await users.hold_unchanged(session, seen) is None:
        raise _wrong_login()
    once_committed(session, logins.labels("admitted").inc)


def check_change(current: str, password: str, confirmation: str, *, current_is_right: bool) -> None:
    wrong = "The current password is incorrect." if current else "The current password field is required."
    users.refuse(
        {
            "current_password": [] if current_is_right else [wrong],
            "password": passwords.problems(password, confirmation),
        }
    )


async def change(session: AsyncSession, seen: User, password_hash: str) -> None:
    user = await users.hold_unchanged(session, seen)
    if user is None:
        raise errors.invalid({"current_password": ["The current password is incorrect."]})
    user.password_hash = password_hash
    await users.changed(session, user)


async def by_link(session: AsyncSession, link: links.Link, secret: str) -> User:
    """Refused once the password is another than when the link was sent."""
    user = await users.addressee(session, link.user_id, link.email)
    if user is None or link.seal != links.seal_of(secret, user.password_hash):
        raise links.refused()
    return user


def check_reset(password: str, confirmation: str) -> None:
    users.refuse({"password": passwords.problems(password, confirmation)})


async def reset(session: AsyncSession, seen: User, password_hash: str) -> None:
    """Whoever had the link reads the user's mail: the address is verified."""
    user = await users.hold_unchanged(session, seen)
    if user is None:
        raise links.refused()
    user.password_hash = password_hash
    user.email_verified_at = user.email_verified_at or now()
    await users.changed(session, user)


def _wrong_login() -> errors.ServiceError:
    logins.labels("wrong").inc()
    return errors.refused(refusals.INVALID_CREDENTIALS)
