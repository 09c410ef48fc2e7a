"""Requests for mails, of which each address and each user gets a limited number on a day (UTC).

Strangers choose who gets mails: they register any address, and forget any password. The answer never says
whether a mail was sent. After the limit there is still one an hour, so that nobody can keep a user from
setting a new password.
"""

import hashlib
from datetime import timedelta

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.recording import record
from auth.tables import AddressChange, User
from common import errors, outbox
from common.db import now
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb

INTERVAL = timedelta(minutes=1)
HOUR = timedelta(hours=1)
COUNT = sa.text(
    "INSERT INTO mail_count (day, key, count, counted_at) VALUES (:day, :key, 1, :now) ON CONFLICT (day, key)"
    " DO UPDATE SET count = mail_count.count + 1, counted_at = :now"
    " WHERE mail_count.count < :limit OR mail_count.counted_at <= :hour_ago RETURNING count"
)
IS_FULL = sa.text(
    "SELECT 1 FROM mail_count WHERE day = :day AND key = :key AND count >= :limit AND counted_at > :hour_ago"
)
FORGET = sa.text(
    "DELETE FROM mail_count WHERE (day, key) IN"
    " (SELECT day, key FROM mail_count WHERE day < :day LIMIT 100 FOR UPDATE SKIP LOCKED)"
)


async def request_if_due(session: AsyncSession, user: User, template: str, to: str, *, per_day: int) -> None:
    """Request the mail, unless the user was sent one within the last minute."""
    if user.last_mail_at is None or now() - user.last_mail_at >= INTERVAL:
        await request(session, user, template, to, per_day=per_day)


async def request(session: AsyncSession, user: User, template: str, to: str, *, per_day: int) -> None:
    """Request the mail, unless the user or the address had `per_day` of them today, and one in this hour.

    The user counts first: a user who gets no more must not use up the mails of other addresses. Mails for a
    new password count for themselves, so that nobody uses them up with other mails.
    """
    user.last_mail_at = now()
    kind = "reset " if template == "reset" else ""
    if not await _count(session, f"{kind}user {user.id}", f"{kind}address {to}", per_day=per_day):
        await record(session, "mail.limited", user_id=user.id, kind=template)
        return
    wanted = pb.MailWanted(user_id=user.id or 0, template=template, email=to)
    await outbox.publish(session, "auth.mail_wanted", wanted)


async def notify_of_change(session: AsyncSession, change: AddressChange) -> None:
    """Request the mail to the former address. It has no limit, which an attacker could use up before."""
    wanted = pb.AddressNoticeWanted(
        user_id=change.user_id,
        change_id=change.id or 0,
        email=change.former_email,
        is_done=change.done_at is not None,
    )
    await outbox.publish(session, "auth.address_notice_wanted", wanted)


async def notify_of_account(session: AsyncSession, user: User, template: str, *, per_day: int) -> None:
    """Request a mail that says what changed in the account. An address that was never verified gets none.

    These count for themselves. Who uses them up has sent the user as many.
    """
    if user.email_verified_at and await _count(session, *_notices(user), per_day=per_day):
        wanted = pb.AddressNoticeWanted(user_id=user.id or 0, email=user.email, template=template)
        await outbox.publish(session, "auth.address_notice_wanted", wanted)


async def may_notify(session: AsyncSession, user: User, template: str, *, per_day: int) -> bool:
    """Return whether a notice about something else than the account may be sent now.

    `count_notice` counts it once it is sent, so that a mail server that is away uses up none.
    """
    for subject in _notices(user):
        if (await (await session.connection()).execute(IS_FULL, _values(subject, per_day))).first():
            await record(session, "mail.limited", user_id=user.id, kind=template)
            return False
    return True


async def count_notice(session: AsyncSession, user: User, *, per_day: int) -> None:
    await _count(session, *_notices(user), per_day=per_day)


def _notices(user: User) -> tuple[str, str]:
    """Return what a notice counts under."""
    return f"notices of {user.id}", f"notices to {user.email}"


async def count_change(session: AsyncSession, user_id: int, *, per_day: int) -> None:
    """Count a wish for another address. Refuse if the user had `per_day` of them today.

    The caller commits this before the address is looked up. Otherwise a user could ask without limit which
    addresses are taken.
    """
    if not await _count(session, f"changes of {user_id}", per_day=per_day):
        refusal = errors.refused(refusals.TOO_MANY_REQUESTS)
        refusal.retry_after_seconds = int(HOUR.total_seconds())
        raise refusal


async def _count(session: AsyncSession, *subjects: str, per_day: int) -> bool:
    """Count a mail under each subject. Return False at the first that has reached its limit.

    What the subjects before it have counted stays.
    """
    connection = await session.connection()
    await connection.execute(FORGET, {"day": now().date()})
    for subject in subjects:
        if (await connection.execute(COUNT, _values(subject, per_day))).first() is None:
            return False
    return True


def _values(subject: str, per_day: int) -> dict[str, object]:
    """Return the parameters of `COUNT` and `IS_FULL`."""
    instant, key = now(), hashlib.sha256(subject.encode()).digest()
    return {
        "day": instant.date(),
        "key": key,
        "now": instant,
        "hour_ago": instant - HOUR,
        "limit": per_day,
    }
