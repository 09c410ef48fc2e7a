"""User accounts: registration, verification, look-up, changes and deletion.

An operation that relies on the user's password, address or tokens staying unchanged locks the user's row
first.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from email_validator import EmailNotValidError, validate_email
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from auth import links, passwords
from auth.tables import User
from common import errors, outbox
from common.db import now
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb

MAX_LENGTH = 255
MAIL_INTERVAL = timedelta(minutes=1)
LARGEST_PAGE = 500


def check_registration(name: str, email: str, password: str, confirmation: str) -> str:
    """Return the normalized address, or raise `InvalidArgument` with every field that is wrong."""
    raise_if_any(
        {
            "name": name_problems(name),
            "email": _email_problems(email),
            "password": passwords.problems(password, confirmation),
        }
    )
    return normalize(email)


def check_changes(name: str | None, email: str | None) -> None:
    """Raise `InvalidArgument` with every field that is wrong. None means that the field does not change."""
    raise_if_any(
        {
            "name": [] if name is None else name_problems(name),
            "email": [] if email is None else _email_problems(email),
        }
    )


def raise_if_any(problems: Mapping[str, list[str]]) -> None:
    """Raise `InvalidArgument` with the fields that have problems, if there are any."""
    if fields := {name: texts for name, texts in problems.items() if texts}:
        raise errors.invalid(fields)


def name_problems(name: str) -> list[str]:
    if not name.strip():
        return ["The name field is required."]
    if len(name) > MAX_LENGTH:
        return [f"The name may not be greater than {MAX_LENGTH} characters."]
    return ["The name may not contain null characters."] if "\0" in name else []


def _email_problems(email: str) -> list[str]:
    if not email.strip():
        return ["The email field is required."]
    if len(email) > MAX_LENGTH:
        return [f"The email may not be greater than {MAX_LENGTH} characters."]
    return [] if normalize(email) else ["The email must be a valid email address."]


def normalize(email: str) -> str:
    """Return the address in lower case, or an empty string if it is not a valid address."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return ""
    return checked.normalized.lower()


async def register(
    session: AsyncSession, *, name: str, email: str, password_hash: str, is_verified: bool
) -> User:
    """Add the user, and request the verification mail unless the address already counts as verified."""
    user = User(
        name=name.strip(),
        email=email,
        password_hash=password_hash,
        email_verified_at=now() if is_verified else None,
    )
    session.add(user)
    await _flush(session)
    if not is_verified:
        await _request_mail(session, user, "verify")
    return user


async def request_verification_mail(session: AsyncSession, email: str) -> None:
    """Request the mail, unless the address is unknown or verified. The caller does not learn which."""
    user = await find_by_email(session, email, lock_row=True)
    if user and user.email_verified_at is None:
        await _request_mail_if_allowed(session, user, "verify")


async def request_reset_mail(session: AsyncSession, email: str) -> None:
    """Request the mail, unless the address is unknown. The caller does not learn which."""
    raise_if_any({"email": _email_problems(email)})
    if user := await find_by_email(session, email, lock_row=True):
        await _request_mail_if_allowed(session, user, "reset")


async def lock(session: AsyncSession, user_id: int) -> User | None:
    """Return the user, and lock the row until the transaction ends."""
    return await session.get(User, user_id, with_for_update=True)


async def get(session: AsyncSession, user_id: int) -> User:
    return _require(await session.get(User, user_id), user_id)


async def find_by_email(session: AsyncSession, email: str, *, lock_row: bool = False) -> User | None:
    """Find the user by their address in any spelling. None also for text that is not an address."""
    statement = select(User).where(User.email == normalize(email))
    return (await session.exec(statement.with_for_update() if lock_row else statement)).one_or_none()


async def get_by_email(session: AsyncSession, email: str) -> User:
    user = await find_by_email(session, email)
    if user is None:
        raise errors.NotFound(f"no user has the address {email}", reason=refusals.USER_NOT_FOUND.code)
    return user


def check_page_size(limit: int) -> int:
    """Return the number of users in a page. Zero means the largest page."""
    if not 0 <= limit <= LARGEST_PAGE:
        message = f"A page of {limit} users is not between 1 and {LARGEST_PAGE}."
        raise errors.InvalidArgument(message, reason="invalid_limit")
    return limit or LARGEST_PAGE


async def list_page(
    session: AsyncSession, *, after_id: int, limit: int, search: str, only_unverified: bool
) -> Sequence[User]:
    """Return the next users in the order of their ids.

    `search` is a part of the address or the name, in any case. Empty means all users.
    """
    statement = select(User).where(col(User.id) > after_id)
    if search:
        text = search.replace("\0", "\ufffd")  # PostgreSQL refuses null characters, and no user has one
        columns = (col(User.email), col(User.name))
        statement = statement.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    if only_unverified:
        statement = statement.where(col(User.email_verified_at).is_(None))
    return (await session.exec(statement.order_by(col(User.id)).limit(limit))).all()


async def find_with_address(session: AsyncSession, user_id: int, email: str) -> User | None:
    """Return the user if this is still their address."""
    user = await session.get(User, user_id)
    return user if user and user.email == email else None


async def mark_verified(session: AsyncSession, user_id: int) -> User:
    """Mark the address as verified. Repeating it changes nothing."""
    return await _verify(session, _require(await lock(session, user_id), user_id))


async def verify(session: AsyncSession, link: links.Link) -> User:
    """Mark the address as verified, if it is still the address that the link was sent to."""
    user = await lock(session, link.user_id)
    if user is None or user.email != link.email:
        raise links.invalid_link()
    return await _verify(session, user)


async def change(
    session: AsyncSession, user_id: int, *, name: str | None, email: str | None, is_verified: bool
) -> User:
    """Change the values that are not None.

    A new address counts as verified if `is_verified`. Otherwise it gets a verification mail at once.
    """
    user = _require(await lock(session, user_id), user_id)
    name = user.name if name is None else name.strip()
    email = user.email if email is None else normalize(email)
    if (name, email) == (user.name, user.email):
        return user
    must_verify = email != user.email and not is_verified
    user.name, user.email = name, email
    if must_verify:
        user.email_verified_at = None
        await _request_mail(session, user, "verify")
    await mark_changed(session, user)
    await _flush(session)
    return user


async def remove(session: AsyncSession, user_id: int) -> None:
    """Delete the account. Repeating it changes nothing."""
    removed = await session.exec(delete(User).where(col(User.id) == user_id).returning(col(User.id)))
    if removed.first():
        await outbox.publish(session, "auth.user_deleted", pb.UserDeleted(user_id=user_id))


async def lock_if_unchanged(session: AsyncSession, earlier: User) -> User | None:
    """Lock and return the user. None if the password or the address differs from what was read `earlier`."""
    user = await lock(session, earlier.id or 0)
    is_same = user and (user.password_hash, user.email) == (earlier.password_hash, earlier.email)
    return user if is_same else None


async def _verify(session: AsyncSession, user: User) -> User:
    if user.email_verified_at is None:
        user.email_verified_at = now()
        await mark_changed(session, user)
    return user


async def mark_changed(session: AsyncSession, user: User) -> None:
    """Publish that the user has changed, so that other services drop what they cached."""
    user.updated_at = now()
    await outbox.publish(session, "auth.user_changed", pb.UserChanged(user_id=user.id or 0))


async def _flush(session: AsyncSession) -> None:
    """Write the user. Raise `InvalidArgument` if another user has the address."""
    try:
        await session.flush()
    except IntegrityError as error:
        raise errors.invalid({"email": ["The email has already been taken."]}) from error


async def _request_mail_if_allowed(session: AsyncSession, user: User, template: str) -> None:
    """Request the mail, unless the user was sent one within the last minute."""
    if user.last_mail_at is None or now() - user.last_mail_at >= MAIL_INTERVAL:
        await _request_mail(session, user, template)


async def _request_mail(session: AsyncSession, user: User, template: str) -> None:
    user.last_mail_at = now()
    await outbox.publish(
        session, "auth.mail_wanted", pb.MailWanted(user_id=user.id or 0, template=template, email=user.email)
    )


def _require(user: User | None, user_id: int) -> User:
    if user is None:
        raise errors.refused(refusals.USER_NOT_FOUND, user=str(user_id))
    return user
