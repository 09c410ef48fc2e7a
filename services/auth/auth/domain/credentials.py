"""Rules for logging in, and for setting a new password.

A password is hashed and checked outside of any transaction, because that takes long. The user may change
meanwhile. Functions that change something therefore take `checked`, the user as read before the check,
and refuse if the password or the address has changed since.
"""

from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from auth import links, passwords
from auth.domain import users
from auth.tables import User
from common import errors
from common.db import now, on_commit
from loupe import refusals

logins = Counter("loupe_logins_total", "Logins", ["outcome"])


def check_login(user: User | None, *, password_is_right: bool) -> User:
    """Return the user if they may log in. A wrong password is reported before an unverified address."""
    if user is None or not password_is_right:
        raise _login_refusal()
    if user.email_verified_at is None:
        logins.labels("unverified").inc()
        raise errors.refused(refusals.EMAIL_UNVERIFIED)
    return user


async def lock_for_login(session: AsyncSession, checked: User) -> None:
    """Count the login, and lock the user's row.

    Refuse if the password or the address has changed since the check.
    """
    if await users.lock_if_unchanged(session, checked) is None:
        raise _login_refusal()
    on_commit(session, logins.labels("admitted").inc)


def check_password_change(current: str, password: str, confirmation: str, *, current_is_right: bool) -> None:
    wrong = "The current password is incorrect." if current else "The current password field is required."
    users.raise_if_any(
        {
            "current_password": [] if current_is_right else [wrong],
            "password": passwords.problems(password, confirmation),
        }
    )


async def change_password(session: AsyncSession, checked: User, password_hash: str) -> None:
    user = await users.lock_if_unchanged(session, checked)
    if user is None:
        raise errors.invalid({"current_password": ["The current password is incorrect."]})
    user.password_hash = password_hash
    await users.mark_changed(session, user)


async def user_of_reset_link(session: AsyncSession, link: links.Link) -> User:
    """Return the user whom the link names. Refuse if the password has changed since the link was sent."""
    user = await users.find_with_address(session, link.user_id, link.email)
    if user is None or link.seal != links.seal_of(link.secret, user.password_hash):
        raise links.invalid_link()
    return user


def check_password_reset(password: str, confirmation: str) -> None:
    users.raise_if_any({"password": passwords.problems(password, confirmation)})


async def reset_password(session: AsyncSession, checked: User, password_hash: str) -> None:
    """Set the password. The address becomes verified, because the link came with a mail to it."""
    user = await users.lock_if_unchanged(session, checked)
    if user is None:
        raise links.invalid_link()
    user.password_hash = password_hash
    user.email_verified_at = user.email_verified_at or now()
    await users.mark_changed(session, user)


def _login_refusal() -> errors.ServiceError:
    """Count the failed login, and return its error."""
    logins.labels("wrong").inc()
    return errors.refused(refusals.INVALID_CREDENTIALS)
