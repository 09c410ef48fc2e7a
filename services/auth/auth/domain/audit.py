"""The audit: storing what services publish, and reading it.

An entry is stored once, however often its event is delivered. Entries outlive the account, with its id alone.
"""

import re
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from prometheus_client import Counter
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.domain import audit_partitions, instants, users
from auth.tables import AuditEntry, User
from common import errors, timestamps
from common.db import now
from common.security_events import EVENTS
from loupe.audit.v1 import audit_pb2

MOST_COUNTED = 10_000
"""The total of a list stops at this number of entries."""
LARGEST_PAGE = 1000
DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
FROM_AFTER_TO = "The from must not be after the to."
NAMES = tuple(sorted(name for name, event in EVENTS.items() if event.is_audited))
entries = Counter("loupe_audit_entries_total", "Events that reached the audit", ["outcome"])

Position = tuple[datetime, uuid.UUID]
"""The place of an entry: the audit is sorted by time, and then by id."""


async def store(session: AsyncSession, event: audit_pb2.Entry, *, kept_days: int) -> str:
    """Store an event, and return `stored`, `repeated`, or `expired` if it is too old to be kept.

    Raise `ValueError` if its id is no UUID, or its actor is unknown. The address is left out if the user has
    been deleted: the deletion of the user waits for this transaction, and then takes it away.
    """
    occurred_at = timestamps.from_proto(event.occurred_at)
    month = audit_partitions.month_of(occurred_at)
    if month < audit_partitions.oldest_kept(now(), kept_days):
        return "expired"
    await audit_partitions.make(session, month)
    is_known = await _lock_owner_of_client(session, event.operator_id or event.user_id)
    values = {
        "occurred_at": occurred_at,
        "id": uuid.UUID(event.id),
        "event": event.event,
        "user_id": event.user_id or None,
        "actor": audit_pb2.Actor.Name(event.actor).removeprefix("ACTOR_").lower(),
        "operator_id": event.operator_id or None,
        "client_address": event.client_address or None if is_known else None,
        "user_agent": event.user_agent or None if is_known else None,
        "request_id": event.request_id or None,
        "details": dict(event.details),
    }
    statement = insert(AuditEntry).values(**values).on_conflict_do_nothing()
    added = await (await session.connection()).execute(statement)
    return "stored" if added.rowcount else "repeated"


async def forget_client(session: AsyncSession, user_id: int) -> None:
    """Take away address and program of the clients of a user who was just deleted."""
    of_user = (col(AuditEntry.user_id) == user_id) & col(AuditEntry.operator_id).is_(None)
    has_client = or_(col(AuditEntry.client_address).is_not(None), col(AuditEntry.user_agent).is_not(None))
    await session.exec(
        update(AuditEntry)
        .where(or_(of_user, col(AuditEntry.operator_id) == user_id), has_client)
        .values(client_address=None, user_agent=None)
        .execution_options(synchronize_session=False)
    )


async def page(
    session: AsyncSession, user_id: int, *, number: int, size: int, event: str, since: str, until: str
) -> tuple[Sequence[AuditEntry], int]:
    """Return one page of a user's entries, newest first, and their number, counted up to 10,000.

    Raise `InvalidArgument` with every filter that is wrong.
    """
    first, last = _parse(since, is_end=False), _parse(until, is_end=True)
    from_problems = _problems("from", since, first)
    if first and last and (first > last or (first == last and DAY.fullmatch(until))):
        from_problems = [FROM_AFTER_TO]
    users.raise_if_any(
        {
            "event": [errors.choice_text("event", NAMES)] if event and event not in NAMES else [],
            "from": from_problems,
            "to": _problems("to", until, last),
        }
    )
    wanted = [col(AuditEntry.user_id) == user_id, *filters(0, event, first, last)]
    return await numbered_page(session, wanted, number=number, size=min(100, max(1, size)))


async def numbered_page(
    session: AsyncSession, wanted: Sequence[sa.ColumnElement[bool]], *, number: int, size: int
) -> tuple[Sequence[AuditEntry], int]:
    """Return a page of the wanted entries, newest first, and their number, counted up to 10,000."""
    counted = select(AuditEntry.id).where(*wanted).limit(MOST_COUNTED).subquery()
    total = (await session.exec(select(func.count()).select_from(counted))).one()
    newest = select(AuditEntry).where(*wanted)
    newest = newest.order_by(col(AuditEntry.occurred_at).desc(), col(AuditEntry.id).desc())
    found = await session.exec(newest.limit(size).offset(min((max(1, number) - 1) * size, MOST_COUNTED)))
    return found.all(), total


async def list_all(
    session: AsyncSession,
    wanted: Sequence[sa.ColumnElement[bool]],
    *,
    after: Position | None,
    limit: int,
    newest_first: bool,
) -> Sequence[AuditEntry]:
    """Return the next of the wanted entries."""
    columns = (col(AuditEntry.occurred_at), col(AuditEntry.id))
    conditions = list(wanted)
    if after:
        place, last = sa.tuple_(*columns), sa.tuple_(*map(sa.literal, after))
        conditions.append(place < last if newest_first else place > last)
    order = [column.desc() for column in columns] if newest_first else list(columns)
    found = await session.exec(select(AuditEntry).where(*conditions).order_by(*order).limit(limit))
    return found.all()


def check_page_size(limit: int) -> int:
    """Return the number of entries in a page. Zero means the largest page."""
    if not 0 <= limit <= LARGEST_PAGE:
        message = f"A page of {limit} entries is not between 1 and {LARGEST_PAGE}."
        raise errors.InvalidArgument(message, reason="invalid_limit")
    return limit or LARGEST_PAGE


def filters(
    user_id: int, event: str, since: datetime | None, until: datetime | None
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of wanted entries. `user_id` is 0 for all users.

    Raise `InvalidArgument` for the field `from` if the range ends before it begins.
    """
    if since and until and since > until:
        raise errors.invalid({"from": [FROM_AFTER_TO]})
    found = [col(AuditEntry.user_id) == user_id] if user_id else []
    found += [col(AuditEntry.event) == event] if event else []
    found += [col(AuditEntry.occurred_at) >= since] if since else []
    return found + ([col(AuditEntry.occurred_at) < until] if until else [])


async def _lock_owner_of_client(session: AsyncSession, user_id: int) -> bool:
    """Return whether the user, whose client it was, still exists, and stop others from deleting the user.

    Nobody owns the client of a login with an unknown address.
    """
    if not user_id:
        return True
    owner = select(User.id).where(User.id == user_id).with_for_update(read=True, key_share=True)
    return (await session.exec(owner)).first() is not None


def _parse(text: str, *, is_end: bool) -> datetime | None:
    """Return the instant, or the start or end of the day."""
    try:
        day = date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        return None
    if day is None:
        return instants.parse(text)
    if is_end and day < date.max:
        day += timedelta(days=1)
    return datetime.combine(day, time(), UTC)


def _problems(field: str, text: str, instant: datetime | None) -> list[str]:
    is_wrong = bool(text) and instant is None
    return [f"The {field} must be a day or an instant such as 2030-01-31T12:00:00Z."] if is_wrong else []
