"""Users: registration, verification, look-up."""

from email_validator import EmailNotValidError, validate_email
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from auth import passwords
from auth.tables import User
from common import errors, outbox
from common.db import now
from loupe.auth.v1 import auth_pb2 as pb

LONGEST = 255


def check_registration(name: str, email: str, password: str, confirmation: str) -> str:
    """The normalized address; raises with every field at fault."""
    fields: dict[str, list[str]] = {}
    if not name.strip():
        fields["name"] = ["The name field is required."]
    elif len(name) > LONGEST:
        fields["name"] = [f"The name may not be greater than {LONGEST} characters."]
    elif "\0" in name:
        fields["name"] = ["The name may not contain null characters."]
    normalized = normalize(email)
    if not email.strip():
        fields["email"] = ["The email field is required."]
    elif len(email) > LONGEST:
        fields["email"] = [f"The email may not be greater than {LONGEST} characters."]
    elif not normalized:
        fields["email"] = ["The email must be a valid email address."]
    if problems := passwords.problems(password, confirmation):
        fields["password"] = problems
    if fields:
        raise errors.invalid(fields)
    return normalized


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
    try:
        await session.flush()
    except IntegrityError as error:
        raise errors.invalid({"email": ["The email has already been taken."]}) from error
    if not is_verified:
        await want_mail(session, user, "verify")
    return user


async def want_mail(session: AsyncSession, user: User, template: str) -> None:
    await outbox.publish(
        session, "auth.mail_wanted", pb.MailWanted(user_id=user.id or 0, template=template, email=user.email)
    )


async def want_verification(session: AsyncSession, email: str) -> None:
    """Nothing for those who are verified, or whom nobody knows."""
    user = await by_email(session, email)
    if user and user.email_verified_at is None:
        await want_mail(session, user, "verify")


async def by_id(session: AsyncSession, user_id: int) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise errors.NotFound(f"no user {user_id}", reason="user_not_found")
    return user


async def by_email(session: AsyncSession, email: str) -> User | None:
    """However the address is written; what is no address is nobody's."""
    return (await session.exec(select(User).where(User.email == normalize(email)))).one_or_none()


def admit(user: User | None, *, password_is_right: bool) -> User:
    """The user who may log in; the password is judged before the address."""
    if user is None or not password_is_right:
        raise errors.Unauthenticated(
            "Invalid credentials",
            reason="invalid_credentials",
            fields={"email": ["The provided credentials are incorrect."]},
        )
    if user.email_verified_at is None:
        raise errors.PermissionDenied("Your email address is not verified.", reason="email_unverified")
    return user


async def found_by_email(session: AsyncSession, email: str) -> User:
    user = await by_email(session, email)
    if user is None:
        raise errors.NotFound(f"no user {email}", reason="user_not_found")
    return user


async def mark_verified(session: AsyncSession, user_id: int, email: str | None = None) -> User:
    """Marks the address as verified, once; a link names the address that it was sent to."""
    user = await by_id(session, user_id)
    if email is not None and user.email != email:
        raise errors.PermissionDenied("This link is invalid or has expired.", reason="invalid_signature")
    await session.exec(
        update(User)
        .where(col(User.id) == user_id, col(User.email_verified_at).is_(None))
        .values(email_verified_at=now(), updated_at=now())
    )
    await session.refresh(user)
    await outbox.publish(session, "auth.user_changed", pb.UserChanged(user_id=user_id))
    return user
