"""Users: registration, verification, look-up, changes, the end.

Whatever depends on a user's password, address or tokens staying as they are holds the user's row.
"""

from collections.abc import Mapping
from datetime import timedelta

from email_validator import EmailNotValidError, validate_email
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from auth import links, passwords
from auth.tables import User
from common import errors, outbox
from common.db import now
from loupe.auth.v1 import auth_pb2 as pb

LONGEST = 255
MAIL_EVERY = timedelta(minutes=1)


def check_registration(name: str, email: str, password: str, confirmation: str) -> str:
    """The normalized address; raises with every field at fault."""
    refuse(
        {
            "name": name_problems(name),
            "email": _email_problems(email),
            "password": passwords.problems(password, confirmation),
        }
    )
    return normalize(email)


def check_changes(name: str | None, email: str | None) -> None:
    """What is None stays as it is."""
    refuse(
        {
            "name": [] if name is None else name_problems(name),
            "email": [] if email is None else _email_problems(email),
        }
    )


def refuse(problems: Mapping[str, list[str]]) -> None:
    """Raises with the fields that have any."""
    if fields := {name: texts for name, texts in problems.items() if texts}:
        raise errors.invalid(fields)


def name_problems(name: str) -> list[str]:
    if not name.strip():
        return ["The name field is required."]
    if len(name) > LONGEST:
        return [f"The name may not be greater than {LONGEST} characters."]
    return ["The name may not contain null characters."] if "\0" in name else []


def _email_problems(email: str) -> list[str]:
    if not email.strip():
        return ["The email field is required."]
    if len(email) > LONGEST:
        return [f"The email may not be greater than {LONGEST} characters."]
    return [] if normalize(email) else ["The email must be a valid email address."]


def normalize(email: str) -> str:
    """Lower case, or empty where it is no address."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return ""
    return checked.normalized.lower()


async def register(
    session: AsyncSession, *, name: str, email: str, password_hash: str, is_verified: bool
) -> User:
    """Adds the user and asks for the verification mail."""
    user = User(
        name=name.strip(),
        email=email,
        password_hash=password_hash,
        email_verified_at=now() if is_verified else None,
    )
    session.add(user)
    await _flush(session)
    if not is_verified:
        await _mail(session, user, "verify")
    return user


async def want_verification(session: AsyncSession, email: str) -> None:
    """Nothing for those who are verified, or whom nobody knows."""
    user = await by_email(session, email, is_held=True)
    if user and user.email_verified_at is None:
        await _mail_sometimes(session, user, "verify")


async def want_reset(session: AsyncSession, email: str) -> None:
    """Nothing for those whom nobody knows."""
    refuse({"email": _email_problems(email)})
    if user := await by_email(session, email, is_held=True):
        await _mail_sometimes(session, user, "reset")


async def hold(session: AsyncSession, user_id: int) -> User | None:
    """The user, whose row nobody else changes before this transaction has ended."""
    return await session.get(User, user_id, with_for_update=True)


async def by_id(session: AsyncSession, user_id: int) -> User:
    return _found(await session.get(User, user_id), user_id)


async def by_email(session: AsyncSession, email: str, *, is_held: bool = False) -> User | None:
    """However the address is written; what is no address is nobody's."""
    statement = select(User).where(User.email == normalize(email))
    return (await session.exec(statement.with_for_update() if is_held else statement)).one_or_none()


async def found_by_email(session: AsyncSession, email: str) -> User:
    user = await by_email(session, email)
    if user is None:
        raise errors.NotFound(f"no user {email}", reason="user_not_found")
    return user


async def addressee(session: AsyncSession, user_id: int, email: str) -> User | None:
    user = await session.get(User, user_id)
    return user if user and user.email == email else None


async def mark_verified(session: AsyncSession, user_id: int) -> User:
    """Marks the address as verified, once."""
    return await _verify(session, _found(await hold(session, user_id), user_id))


async def verify(session: AsyncSession, link: links.Link) -> User:
    """A link is for the address that it was sent to, and no other."""
    user = await hold(session, link.user_id)
    if user is None or user.email != link.email:
        raise links.refused()
    return await _verify(session, user)


async def change(
    session: AsyncSession, user_id: int, *, name: str | None, email: str | None, is_verified: bool
) -> User:
    """None stays. A new address gets a verification mail at once, unless new addresses are `is_verified`."""
    user = _found(await hold(session, user_id), user_id)
    name = user.name if name is None else name.strip()
    email = user.email if email is None else normalize(email)
    if (name, email) == (user.name, user.email):
        return user
    must_verify = email != user.email and not is_verified
    user.name, user.email = name, email
    if must_verify:
        user.email_verified_at = None
        await _mail(session, user, "verify")
    await changed(session, user)
    await _flush(session)
    return user


async def remove(session: AsyncSession, user_id: int) -> None:
    """Removing twice is the same as once."""
    removed = await session.exec(delete(User).where(col(User.id) == user_id).returning(col(User.id)))
    if removed.first():
        await outbox.publish(session, "auth.user_deleted", pb.UserDeleted(user_id=user_id))


async def hold_unchanged(session: AsyncSession, seen: User) -> User | None:
    """None where the password or the address is another by now."""
    user = await hold(session, seen.id or 0)
    is_same = user and (user.password_hash, user.email) == (seen.password_hash, seen.email)
    return user if is_same else None


async def _verify(session: AsyncSession, user: User) -> User:
    if user.email_verified_at is None:
        user.email_verified_at = now()
        await changed(session, user)
    return user


async def changed(session: AsyncSession, user: User) -> None:
    user.updated_at = now()
    await outbox.publish(session, "auth.user_changed", pb.UserChanged(user_id=user.id or 0))


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        raise errors.invalid({"email": ["The email has already been taken."]}) from error


async def _mail_sometimes(session: AsyncSession, user: User, template: str) -> None:
    """Who asks again and again gets one a minute."""
    if user.last_mail_at is None or now() - user.last_mail_at >= MAIL_EVERY:
        await _mail(session, user, template)


async def _mail(session: AsyncSession, user: User, template: str) -> None:
    user.last_mail_at = now()
    await outbox.publish(
        session, "auth.mail_wanted", pb.MailWanted(user_id=user.id or 0, template=template, email=user.email)
    )


def _found(user: User | None, user_id: int) -> User:
    if user is None:
        raise errors.NotFound(f"no user {user_id}", reason="user_not_found")
    return user
