"""Changes of a verified mail address, and the way back.

A new address is pending until its owner has opened the link in a mail. The former address gets a notice when
the change is requested, and another one when it is done. Each holds a link that undoes the change for 72
hours. For that time nobody else can take the former address. A pending address expires after the same time,
so that no change counts without a way back.
"""

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from auth import links
from auth.domain import guess_limits, mail_requests, reservations, second_factor, users
from auth.recording import record
from auth.tables import AddressChange, User
from common import outbox, timestamps
from common.db import now
from loupe.auth.v1 import auth_pb2 as pb

FORGET = sa.text(
    "DELETE FROM address_change WHERE id IN (SELECT id FROM address_change"
    " WHERE coalesce(done_at, requested_at) < :before LIMIT 100 FOR UPDATE SKIP LOCKED)"
)
"""Former addresses are not kept for longer than they can come back."""


async def verify(session: AsyncSession, link: links.Link, *, keep_address: bool) -> tuple[User, bool]:
    """Mark the address as verified, or have it replace the present one if it is the pending address.

    With `keep_address` a pending address only stays pending. Return also whether that was so.
    """
    user = await users.lock(session, link.user_id)
    is_pending = user is not None and bool(user.pending_email) and user.pending_email == link.email
    if user and is_pending and keep_address:
        await _require_pending(session, user)
    elif user and is_pending:
        await complete_change(session, user)
    elif user is None or user.email != link.email:
        raise links.invalid_link()
    else:
        await users.mark_verified(session, user)
    return user, is_pending and keep_address


async def request_verification_mail(session: AsyncSession, email: str, *, mails_per_day: int) -> None:
    """Request the mail, unless there is no address to verify. The caller does not learn why.

    A pending address gets none if it has expired, or if another user has it by now.
    """
    user = await users.find_by_email(session, email, lock_row=True)
    if user is None or (user.email_verified_at and user.pending_email is None):
        return
    to = user.pending_email or user.email
    is_due = user.pending_email is None or (
        await _find_pending(session, user) and not await users.find_by_email(session, to)
    )
    if is_due:
        await mail_requests.request_if_due(session, user, "verify", to, per_day=mails_per_day)


async def is_new(session: AsyncSession, user_id: int, email: str | None) -> bool:
    """Return whether an update with this address would change it, or the pending one."""
    if email is None:
        return False
    user = await session.get(User, user_id)
    if user is None or users.normalize(email) == user.email:
        return False
    return users.normalize(email) != user.pending_email or await _find_pending(session, user) is None


async def change_user(
    session: AsyncSession,
    user_id: int,
    *,
    name: str | None,
    email: str | None,
    is_verified: bool,
    mails_per_day: int,
) -> User:
    """Change the values that are not None. `is_verified`: a new address counts as verified."""
    user = await users.lock_existing(session, user_id)
    name = user.name if name is None else name.strip()
    has_changed = name != user.name
    user.name = name
    if email is not None:
        has_changed |= await _change(
            session, user, users.normalize(email), is_verified=is_verified, mails_per_day=mails_per_day
        )
    if has_changed:
        await users.mark_changed(session, user)
        await users.flush(session)
    return user


async def _change(
    session: AsyncSession, user: User, email: str, *, is_verified: bool, mails_per_day: int
) -> bool:
    """Change the address as far as it may change now. Return False if nothing changed. The user's row is
    locked.

    The address counts at once if `is_verified`, or if the present one was never verified. It then gets a mail
    at once. The present address cancels a pending one.
    """
    if user.pending_email and await _find_pending(session, user) is None:
        user.pending_email = None
    if email == (user.pending_email or user.email):
        return False
    if email == user.email:
        user.pending_email = None
        return True
    await reservations.require_free(session, email, user.id or 0)
    if user.email_verified_at and not is_verified:
        await request_change(session, user, email, mails_per_day=mails_per_day)
        return True
    user.email, user.pending_email = email, None
    if not is_verified:
        await mail_requests.request(session, user, "verify", email, per_day=mails_per_day)
    await record(session, "address.changed", user_id=user.id)
    return True


async def request_change(session: AsyncSession, user: User, email: str, *, mails_per_day: int) -> None:
    """Make the address pending, mail a link to it, and notify the present one. The row is locked."""
    await (await session.connection()).execute(FORGET, {"before": now() - reservations.WAY_BACK})
    change = AddressChange(user_id=user.id or 0, former_email=user.email)
    session.add(change)
    user.pending_email = email
    await session.flush()
    await mail_requests.request(session, user, "verify", email, per_day=mails_per_day)
    await mail_requests.notify_of_change(session, change)
    await record(session, "address.change_requested", user_id=user.id)


async def complete_change(session: AsyncSession, user: User) -> None:
    """Make the pending address the user's address, unless it has expired. The user's row is locked."""
    await reservations.lock(session, user.email)
    change = await _require_pending(session, user)
    user.email, user.pending_email, user.email_verified_at = user.pending_email or "", None, now()
    await users.mark_changed(session, user)
    change.done_at = now()
    await mail_requests.notify_of_change(session, change)
    try:
        await session.flush()
    except IntegrityError as error:  # somebody else has registered the address since the request
        raise links.invalid_link() from error
    await record(session, "address.changed", user_id=user.id)


async def restore(session: AsyncSession, link: links.Link, password_hash: str) -> User:
    """Put the address of the link back, and set a password that nobody knows.

    Later changes can no longer be undone, because their links went to the addresses of the attacker. A
    second factor and recovery codes that were made shortly before the change, or since then, are removed:
    they may be the attacker's. Older ones stay, because they guard against readers of the former mailbox.
    Outbound disables webhooks of that time.
    """
    user = await users.lock(session, link.user_id)
    change = await _find(session, link)
    if user is None or change is None:
        raise links.invalid_link()
    await session.exec(
        update(AddressChange)
        .where(col(AddressChange.user_id) == user.id, col(AddressChange.id) >= change.id)
        .values(undone_at=now())
    )
    user.email, user.pending_email, user.email_verified_at = change.former_email, None, now()
    user.password_hash = password_hash
    since = change.requested_at - reservations.WAY_BACK
    await second_factor.remove_since(session, user, since)
    restored = pb.AddressRestored(
        user_id=link.user_id, since=timestamps.to_proto(since), restored_at=timestamps.to_proto(now())
    )
    await outbox.publish(session, "auth.address_restored", restored)
    await guess_limits.forget_clients(session, user.id or 0)
    await users.mark_changed(session, user)
    await users.flush(session)
    await record(session, "address.restored", user_id=user.id)
    return user


async def notice_is_wanted(session: AsyncSession, change_id: int, email: str) -> bool:
    """Return whether the change can still be undone."""
    change = await session.get(AddressChange, change_id)
    return change is not None and change.former_email == email and _can_be_undone(change)


async def _find_pending(session: AsyncSession, user: User) -> AddressChange | None:
    """Return the change that made the user's pending address pending, unless it is too old."""
    found = await session.exec(
        select(AddressChange)
        .where(
            AddressChange.user_id == user.id,
            AddressChange.former_email == user.email,
            col(AddressChange.undone_at).is_(None),
            col(AddressChange.done_at).is_(None),
            col(AddressChange.requested_at) > now() - reservations.WAY_BACK,
        )
        .order_by(col(AddressChange.id).desc())
    )
    return found.first()


async def _require_pending(session: AsyncSession, user: User) -> AddressChange:
    if change := await _find_pending(session, user):
        return change
    raise links.invalid_link()


async def _find(session: AsyncSession, link: links.Link) -> AddressChange | None:
    """Return the change that the link names, unless it is too old or undone."""
    change = await session.get(AddressChange, int(link.seal or 0))
    is_it = change and (change.user_id, change.former_email) == (link.user_id, link.email)
    return change if change and is_it and _can_be_undone(change) else None


def _can_be_undone(change: AddressChange) -> bool:
    return (
        change.undone_at is None and now() - (change.done_at or change.requested_at) <= reservations.WAY_BACK
    )
