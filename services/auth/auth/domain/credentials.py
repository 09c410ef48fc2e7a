"""Rules for logging in, and for setting a new password.

A password is hashed and checked outside of any transaction, because that takes long. The user may change
meanwhile. Functions that change something therefore take `checked`, the user as read before the check,
and refuse if the password or the address has changed since.
"""

from cryptography.fernet import MultiFernet
from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from auth import links, passwords
from auth.domain import guess_limits, second_factor, users
from auth.recording import record
from auth.tables import User
from common import errors, trace
from common.db import now, on_commit
from loupe import refusals

logins = Counter("loupe_logins_total", "Logins", ["outcome"])


async def wrong_login(session: AsyncSession, user: User | None) -> errors.ServiceError:
    """Count and record a failed login, and return its error. `user` is None if the address is unknown."""
    on_commit(session, logins.labels("wrong").inc)
    await record(session, "sign_in.refused", user_id=user.id if user else None)
    return errors.refused(refusals.INVALID_CREDENTIALS)


async def missing_for_login(
    session: AsyncSession, checked: User, otp: str, cipher: MultiFernet
) -> errors.ServiceError | None:
    """Lock the user's row, and return what refuses a login with the right password, or None.

    The login is refused too if the password or the address has changed since the check.
    """
    user = await users.lock_if_unchanged(session, checked)
    if user is None:
        return await wrong_login(session, checked)
    if user.blocked_at:
        on_commit(session, logins.labels("blocked").inc)
        await record(session, "sign_in.blocked", user_id=user.id)
        return errors.refused(refusals.ACCOUNT_BLOCKED)
    if user.email_verified_at is None:
        on_commit(session, logins.labels("unverified").inc)
        await record(session, "sign_in.unverified", user_id=user.id)
        return errors.refused(refusals.EMAIL_UNVERIFIED)
    if user.second_factor_at is None or await second_factor.use(session, user, otp, cipher):
        on_commit(session, logins.labels("admitted").inc)
        return None
    refusal = errors.refused(refusals.SECOND_FACTOR_REQUIRED)
    if otp:
        refusal.fields["otp"] = second_factor.wrong_code(otp).fields["otp"]
        await record(session, "second_factor.refused", user_id=user.id)
    return refusal


def is_guess(refusal: errors.ServiceError | None, otp: str) -> bool:
    """Return whether a login was refused because the code is wrong, or the password by now."""
    if refusal is None:
        return False
    is_wrong_code = bool(otp) and refusal.reason == refusals.SECOND_FACTOR_REQUIRED.code
    return is_wrong_code or refusal.reason == refusals.INVALID_CREDENTIALS.code


def check_password_change(
    current: str, password: str, confirmation: str, *, current_is_right: bool, refuse_common: bool
) -> None:
    wrong = "The current password is incorrect." if current else "The current password field is required."
    users.raise_if_any(
        {
            "current_password": [] if current_is_right else [wrong],
            "password": passwords.problems(password, confirmation, refuse_common=refuse_common),
        }
    )


async def change_password(session: AsyncSession, checked: User, password_hash: str) -> User:
    """Set the password of a user whose present one was right."""
    user = await users.lock_if_unchanged(session, checked)
    if user is None:
        raise errors.invalid({"current_password": ["The current password is incorrect."]})
    await guess_limits.forget_clients(session, user.id or 0, except_client=trace.client_address.get())
    await _set_password(session, user, password_hash)
    await record(session, "password.changed", user_id=user.id)
    return user


async def user_of_reset_link(session: AsyncSession, link: links.Link) -> User:
    """Return the user whom the link names. Refuse if the password has changed since the link was sent."""
    user = await users.find_with_address(session, link.user_id, link.email)
    if user is None or link.seal != links.seal_of(link.secret, user.password_hash):
        raise links.invalid_link()
    return user


def check_password_reset(password: str, confirmation: str, *, refuse_common: bool) -> None:
    users.raise_if_any({"password": passwords.problems(password, confirmation, refuse_common=refuse_common)})


async def reset_password(session: AsyncSession, checked: User, password_hash: str) -> User:
    """Set the password. The address becomes verified, because the link came with a mail to it.

    If it was not verified, somebody else may have registered it, and their second factor is removed.
    """
    user = await users.lock_if_unchanged(session, checked)
    if user is None:
        raise links.invalid_link()
    if user.email_verified_at is None and user.second_factor_secret:
        await second_factor.remove(session, user)
    user.email_verified_at = user.email_verified_at or now()
    await guess_limits.forget_clients(session, user.id or 0)
    await _set_password(session, user, password_hash)
    await record(session, "password.reset", user_id=user.id)
    return user


async def _set_password(session: AsyncSession, user: User, password_hash: str) -> None:
    """Set the password, and forget a pending address: its requester may have known only the old password."""
    user.password_hash, user.pending_email = password_hash, None
    await users.mark_changed(session, user)
