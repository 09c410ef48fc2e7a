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
    subjects = f"notices of {user.id}", f"notices to {user.email}"
    if user.email_verified_at and await _count(session, *subjects, per_day=per_day):
        wanted = pb.AddressNoticeWanted(user_id=user.id or 0, email=user.email, template=template)
        await outbox.publish(session, "auth.address_notice_wanted", wanted)


async def count_change(session: AsyncSession, user: User, *, per_day: int) -> None:
    """Count a change of the address. Refuse if the user has asked for `per_day` of them today."""
    if not await _count(session, f"changes of {user.id}", per_day=per_day):
        refusal = errors.refused(refusals.TOO_MANY_REQUESTS)
        refusal.retry_after_seconds = int(HOUR.total_seconds())
        raise refusal


async def _count(session: AsyncSession, *subjects: str, per_day: int) -> bool:
    """Count a mail under each subject. Return False at the first that has reached its limit.

    What the subjects before it have counted stays.
    """
    instant = now()
    today = instant.date()
    connection = await session.connection()
    await connection.execute(FORGET, {"day": today})
    for subject in subjects:
        key = hashlib.sha256(subject.encode()).digest()
        values = {"day": today, "key": key, "now": instant, "hour_ago": instant - HOUR, "limit": per_day}
        if (await connection.execute(COUNT, values)).first() is None:
            return False
    return True
