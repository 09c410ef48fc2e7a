"""Files that clients put into the object store themselves, before an image is made of them.

A row holds what was agreed about a file. It stays until its time is over, also after its use, so that a
second use is refused by its name. Then the object is deleted, whatever was put there meanwhile.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from common.db import now
from images.domain import jobs
from images.upload_tables import DirectUpload
from loupe import refusals

FIELD = "upload_id"
FOLDER = "images/incoming/"
LIFETIME = timedelta(hours=24)
LINK_LIFETIME = timedelta(hours=1)
"""How long a client can store a file by its link, even after the file was used."""
MOST_UNUSED, MOST_UNUSED_BYTES = 100, 2 << 30
"""The most files and bytes of a user that may wait for their use."""
EXPIRED_AT_ONCE = 500


async def add(session: AsyncSession, upload: DirectUpload) -> None:
    """Insert the row. Raise `ResourceExhausted` if too much of the user waits for its use.

    The caller must hold the user's lock.
    """
    waiting = await session.exec(
        select(func.count(), func.coalesce(func.sum(DirectUpload.bytes), 0)).where(
            DirectUpload.user_id == upload.user_id, *_waits()
        )
    )
    count, size = waiting.one()
    if count >= MOST_UNUSED or size + upload.bytes > MOST_UNUSED_BYTES:
        raise errors.refused(refusals.TOO_MANY_UNUSED_UPLOADS)
    session.add(upload)


async def get(session: AsyncSession, user_id: int, upload_id: str) -> DirectUpload:
    """Return the upload. Raise `InvalidArgument` if the user has none with this id, or has used it."""
    try:
        number = uuid.UUID(upload_id)
    except ValueError:
        raise _refused("There is no upload with this id.") from None
    found = await session.exec(
        select(DirectUpload).where(DirectUpload.id == number, DirectUpload.user_id == user_id)
    )
    upload = found.one_or_none()
    if upload is None or upload.expires_at <= now():
        raise _refused("There is no upload with this id. It may have expired.")
    if upload.used_at:
        raise _already_used()
    return upload


async def use(session: AsyncSession, upload: DirectUpload) -> None:
    """Mark the upload as used, and have its object deleted. Raise `InvalidArgument` if another was faster."""
    changed = await session.exec(
        update(DirectUpload)
        .where(col(DirectUpload.id) == upload.id, col(DirectUpload.used_at).is_(None))
        .values(used_at=func.now(), expires_at=_soon())
    )
    if not changed.rowcount:
        raise _already_used()
    await jobs.drop_objects(session, upload.object_key)


async def find_all(
    session: AsyncSession, user_id: int, upload_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, DirectUpload]:
    """Return those of the user's uploads with these ids that wait for their use."""
    found = await session.exec(
        select(DirectUpload).where(
            col(DirectUpload.id).in_(upload_ids), DirectUpload.user_id == user_id, *_waits()
        )
    )
    return {upload.id: upload for upload in found.all()}


async def take(session: AsyncSession, upload_ids: Collection[uuid.UUID]) -> None:
    """Mark uploads as used whose files are read later. Each may wait for that as long as for its use.

    The caller must hold the user's lock.
    """
    await session.exec(
        update(DirectUpload)
        .where(col(DirectUpload.id).in_(upload_ids))
        .values(used_at=func.now(), expires_at=func.now() + LIFETIME)
    )


async def get_taken(session: AsyncSession, upload_id: uuid.UUID) -> DirectUpload:
    """Return an upload that `take` has marked. Raise `InvalidArgument` if its time is over."""
    upload = await session.get(DirectUpload, upload_id)
    if upload is None or upload.expires_at <= now():
        raise _refused("There is no upload with this id. It may have expired.")
    return upload


async def expire_soon(session: AsyncSession, upload_ids: Collection[uuid.UUID]) -> None:
    """Let taken uploads expire within an hour, because nothing reads their files (again).

    They take space that nothing counts. Until then the link of an upload may store its file again.
    """
    if upload_ids:
        await session.exec(
            update(DirectUpload).where(col(DirectUpload.id).in_(upload_ids)).values(expires_at=_soon())
        )


async def keep(session: AsyncSession, upload_ids: Collection[uuid.UUID]) -> None:
    """Give uploads their time back that `expire_soon` has cut, unless it is over, to read their files."""
    if upload_ids:
        await session.exec(
            update(DirectUpload)
            .where(col(DirectUpload.id).in_(upload_ids), col(DirectUpload.expires_at) > func.now())
            .values(expires_at=func.now() + LIFETIME)
        )


async def delete_expired(session: AsyncSession) -> bool:
    """Delete up to 500 rows whose time is over, with their objects. Return whether more may be left."""
    expired = (
        select(DirectUpload.id)
        .where(col(DirectUpload.expires_at) <= func.now())
        .order_by(col(DirectUpload.expires_at))
        .limit(EXPIRED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return await _delete(session, col(DirectUpload.id).in_(expired)) == EXPIRED_AT_ONCE


async def delete_of_user(session: AsyncSession, user_id: int) -> None:
    await _delete(session, col(DirectUpload.user_id) == user_id)


async def without_waiting(session: AsyncSession, keys: Collection[str]) -> list[str]:
    """Return the keys without those of files that wait for their use."""
    found = await session.exec(
        select(DirectUpload.object_key).where(col(DirectUpload.object_key).in_(keys), *_waits())
    )
    waiting = set(found.all())
    return [key for key in keys if key not in waiting]


async def _delete(session: AsyncSession, condition: sa.ColumnElement[bool]) -> int:
    deleted = delete(DirectUpload).where(condition).returning(col(DirectUpload.object_key))
    keys: Sequence[str] = (await session.exec(deleted)).scalars().all()
    if keys:
        await jobs.drop_objects(session, *keys)
    return len(keys)


def _soon() -> sa.ColumnElement[datetime]:
    return func.least(col(DirectUpload.expires_at), func.now() + LINK_LIFETIME)


def _waits() -> tuple[sa.ColumnElement[bool], ...]:
    return col(DirectUpload.used_at).is_(None), col(DirectUpload.expires_at) > func.now()


def _refused(text: str) -> errors.InvalidArgument:
    return errors.invalid({FIELD: [text]})


def _already_used() -> errors.InvalidArgument:
    return _refused("The upload was already used.")
