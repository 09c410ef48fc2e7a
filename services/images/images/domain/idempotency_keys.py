"""The keys by which clients repeat a request, and what was answered to the first one.

A key belongs to one submission at a time. Each function names that submission, so one whose key was taken
over can no longer change anything.
"""

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from images.upload_tables import IdempotencyKey
from loupe import refusals

ALIVE = timedelta(seconds=20)
"""The time for which a submission under way has its key, by the database's clock. It renews it."""
KEPT = timedelta(hours=24)
"""The time for which an answer is stored."""
RETRY_AFTER_SECONDS = 1
DELETED_AT_ONCE = 1000
DELETE_EXPIRED = sa.text("""
    DELETE FROM idempotency_key WHERE (user_id, route, key) IN (
        SELECT user_id, route, key FROM idempotency_key WHERE expires_at < now()
        ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
""").bindparams(most=DELETED_AT_ONCE)


class Name(NamedTuple):
    """The key of a user at one route. The same text is another key for another user, and at another route."""

    user_id: int
    route: str
    key: str


class Stored(NamedTuple):
    """The record of a submission that was accepted."""

    body_hash: bytes
    response: bytes


async def take(session: AsyncSession, name: Name, submission_id: uuid.UUID) -> Stored | None:
    """Give the key to this submission, or return what is stored for it.

    Raise `AlreadyExists` while another submission has the key.
    """
    new = insert(IdempotencyKey).values(
        **name._asdict(), submission_id=submission_id, expires_at=sa.func.now() + ALIVE
    )
    values = {"submission_id": new.excluded.submission_id, "expires_at": new.excluded.expires_at}
    taken = new.on_conflict_do_update(
        index_elements=Name._fields,
        set_=values | {"body_hash": None, "response": None},
        where=col(IdempotencyKey.expires_at) < sa.func.now(),
    ).returning(col(IdempotencyKey.submission_id))
    if (await (await session.connection()).execute(taken)).first():
        return None
    found = (await session.exec(select(IdempotencyKey).where(*_is(name)))).one_or_none()
    if found is None or found.response is None or found.body_hash is None:
        raise errors.refused_for(RETRY_AFTER_SECONDS, refusals.IDEMPOTENCY_KEY_IN_USE)
    return Stored(found.body_hash, found.response)


async def store(session: AsyncSession, name: Name, submission_id: uuid.UUID, answer: Stored) -> None:
    """Store the answer, in the transaction that makes what was submitted.

    Do this last in the transaction, because `renew` may lock the rows of several submissions. Raise
    `Unavailable` if the submission lost its key.
    """
    stored = await session.exec(
        update(IdempotencyKey)
        .where(*_is(name), col(IdempotencyKey.submission_id) == submission_id)
        .values(**answer._asdict(), expires_at=sa.func.now() + KEPT)
    )
    if not stored.rowcount:
        raise errors.Unavailable(
            "the submission took too long and lost its idempotency key", reason="service_unavailable"
        )


async def free(session: AsyncSession, name: Name, submission_id: uuid.UUID) -> None:
    """Free the key of a submission that was not accepted."""
    await session.exec(
        delete(IdempotencyKey).where(
            *_is(name),
            col(IdempotencyKey.submission_id) == submission_id,
            col(IdempotencyKey.response).is_(None),
        )
    )


async def renew(session: AsyncSession, under_way: Collection[tuple[Name, uuid.UUID]]) -> None:
    """Let these submissions have their keys for another 20 s."""
    columns = (*(col(getattr(IdempotencyKey, each)) for each in Name._fields), IdempotencyKey.submission_id)
    await session.exec(
        update(IdempotencyKey)
        .where(
            sa.tuple_(*columns).in_([(*name, submission_id) for name, submission_id in under_way]),
            col(IdempotencyKey.response).is_(None),
        )
        .values(expires_at=sa.func.now() + ALIVE)
    )


async def delete_expired(session: AsyncSession) -> bool:
    """Delete up to 1,000 keys that are free again. Return whether there may be more."""
    deleted = await (await session.connection()).execute(DELETE_EXPIRED)
    return deleted.rowcount == DELETED_AT_ONCE


async def forget(session: AsyncSession, user_id: int) -> None:
    """Delete all keys of a user."""
    await session.exec(delete(IdempotencyKey).where(col(IdempotencyKey.user_id) == user_id))


def _is(name: Name) -> list[sa.ColumnElement[bool]]:
    return [col(getattr(IdempotencyKey, column)) == value for column, value in name._asdict().items()]
