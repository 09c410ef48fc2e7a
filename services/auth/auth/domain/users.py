"""User accounts: registration, verification, look-up and deletion.

An operation that relies on the user's password, address or tokens staying unchanged locks the user's row
first.
"""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from auth import passwords
from auth.domain import mail_requests, reservations
from auth.recording import record
from auth.tables import User
from common import errors, labels, outbox
from common.db import now
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb
from loupe.contract import OPERATOR

MAX_LENGTH = 255
LARGEST_PAGE = 500


def check_registration(
    name: str, email: str, password: str, confirmation: str, *, refuse_common: bool
) -> str:
    """Return the normalized address, or raise `InvalidArgument` with every field that is wrong."""
    raise_if_any(
        {
            "name": name_problems(name),
            "email": _email_problems(email),
            "password": passwords.problems(password, confirmation, refuse_common=refuse_common),
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
    if "\0" in name:
        return ["The name may not contain null characters."]
    if labels.controls_text(name.strip()):
        return ["The name may not contain control characters, line breaks or marks of the text direction."]
    if not labels.is_visible(name):
        return ["The name field is required."]
    return [] if labels.is_clean(name.strip()) else ["The name may not contain invisible characters."]


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
    session: AsyncSession, *, name: str, email: str, password_hash: str, is_verified: bool, mails_per_day: int
) -> User:
    """Add the user, and request the verification mail unless the address already counts as verified."""
    await reservations.require_free(session, email)
    user = User(
        name=name.strip(),
        email=email,
        password_hash=password_hash,
        email_verified_at=now() if is_verified else None,
    )
    session.add(user)
    await flush(session)
    if not is_verified:
        await mail_requests.request(session, user, "verify", email, per_day=mails_per_day)
    await record(session, "account.created", user_id=user.id)
    return user


async def request_reset_mail(session: AsyncSession, email: str, *, mails_per_day: int) -> None:
    """Request the mail, unless the address is unknown. The caller does not learn which."""
    raise_if_any({"email": _email_problems(email)})
    if user := await find_by_email(session, email, lock_row=True):
        await mail_requests.request_if_due(session, user, "reset", user.email, per_day=mails_per_day)
        await record(session, "password.reset_requested", user_id=user.id)


async def lock(session: AsyncSession, user_id: int) -> User | None:
    """Return the user, and lock the row until the transaction ends."""
    return await session.get(User, user_id, with_for_update=True)


async def lock_existing(session: AsyncSession, user_id: int) -> User:
    """Return the user, and lock the row. Raise `NotFound` if there is none."""
    return require_found(await lock(session, user_id), user_id)


async def get(session: AsyncSession, user_id: int) -> User:
    return require_found(await session.get(User, user_id), user_id)


async def find_by_email(session: AsyncSession, email: str, *, lock_row: bool = False) -> User | None:
    """Find the user by their address in any spelling. None also for text that is not an address."""
    statement = select(User).where(User.email == normalize(email))
    return (await session.exec(statement.with_for_update() if lock_row else statement)).one_or_none()


async def get_by_email(session: AsyncSession, email: str) -> User:
    user = await find_by_email(session, email)
    if user is None:
        raise errors.NotFound(f"no user has the address {email}", reason=refusals.USER_NOT_FOUND.code)
    return user


async def emails_of(session: AsyncSession, ids: Collection[int]) -> dict[int, str]:
    """Return the mail addresses of those of the users who exist."""
    found = await session.exec(select(User.id, User.email).where(col(User.id).in_(ids)))
    return {user_id: email for user_id, email in found.all() if user_id}


def check_page_size(limit: int) -> int:
    """Return the number of users in a page. Zero means the largest page."""
    if not 0 <= limit <= LARGEST_PAGE:
        message = f"A page of {limit} users is not between 1 and {LARGEST_PAGE}."
        raise errors.InvalidArgument(message, reason="invalid_limit")
    return limit or LARGEST_PAGE


def filters(
    search: str, *, unverified: bool = False, blocked: bool = False, operators: bool = False
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a list of users.

    `search` is a part of the address or the name, in any case. Empty means all users.
    """
    wanted: list[sa.ColumnElement[bool]] = []
    if search:
        text = search.replace("\0", "\ufffd")  # PostgreSQL refuses null characters, and no user has one
        columns = (col(User.email), col(User.name))
        wanted.append(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    wanted += [col(User.email_verified_at).is_(None)] if unverified else []
    wanted += [col(User.blocked_at).is_not(None)] if blocked else []
    return wanted + ([col(User.role) == OPERATOR] if operators else [])


async def list_page(
    session: AsyncSession, wanted: Sequence[sa.ColumnElement[bool]], *, after_id: int, limit: int
) -> Sequence[User]:
    """Return the next users in the order of their ids."""
    statement = select(User).where(col(User.id) > after_id, *wanted)
    return (await session.exec(statement.order_by(col(User.id)).limit(limit))).all()


async def numbered_page(
    session: AsyncSession, wanted: Sequence[sa.ColumnElement[bool]], *, number: int, size: int
) -> tuple[Sequence[User], int]:
    """Return a page, newest first and counted from 1, and the number of users on all pages."""
    total = (await session.exec(select(func.count()).select_from(User).where(*wanted))).one()
    newest = select(User).where(*wanted).order_by(col(User.id).desc())
    found = await session.exec(newest.limit(size).offset((max(1, number) - 1) * size))
    return found.all(), total


async def find_with_address(session: AsyncSession, user_id: int, email: str) -> User | None:
    """Return the user if this is still their address."""
    user = await session.get(User, user_id)
    return user if user and user.email == email else None


async def find_to_verify(session: AsyncSession, user_id: int, email: str) -> User | None:
    """Return the user if this is still their address, or the one that is pending."""
    user = await session.get(User, user_id)
    return user if user and email in (user.email, user.pending_email) else None


async def mark_verified(session: AsyncSession, user: User) -> User:
    """Mark the address as verified. Repeating it changes nothing. The user's row is locked."""
    if user.email_verified_at is None:
        user.email_verified_at = now()
        await mark_changed(session, user)
        await record(session, "address.verified", user_id=user.id)
    return user


async def remove(session: AsyncSession, user_id: int) -> None:
    """Delete the account. Repeating it changes nothing."""
    removed = await session.exec(delete(User).where(col(User.id) == user_id).returning(col(User.id)))
    if removed.first():
        await outbox.publish(session, "auth.user_deleted", pb.UserDeleted(user_id=user_id))
        await record(session, "account.deleted", user_id=user_id)


async def lock_if_unchanged(session: AsyncSession, earlier: User) -> User | None:
    """Lock and return the user. None if the password or the address differs from what was read `earlier`."""
    user = await lock(session, earlier.id or 0)
    is_same = user and (user.password_hash, user.email) == (earlier.password_hash, earlier.email)
    return user if is_same else None


async def mark_changed(session: AsyncSession, user: User) -> None:
    """Publish that the user has changed, so that other services drop what they cached."""
    user.updated_at = now()
    await outbox.publish(session, "auth.user_changed", pb.UserChanged(user_id=user.id or 0))


async def flush(session: AsyncSession) -> None:
    """Write the user. Raise `InvalidArgument` if another user has the address."""
    try:
        await session.flush()
    except IntegrityError as error:
        raise reservations.taken() from error


def require_found(user: User | None, user_id: int) -> User:
    if user is None:
        raise errors.refused(refusals.USER_NOT_FOUND, user=str(user_id))
    return user
