"""Accounts that are gone: all that they had here goes, and nothing of theirs comes any more.

An internal token outlives the account by a minute, and an upload may take longer than that.
"""

import sqlalchemy as sa
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from images.domain import jobs
from images.tables import UNFINISHED, Batch, FormerUser, Image, ImageBlock
from loupe import refusals

AT_ONCE = 250
"""Images of one transaction, and two objects of each in its event."""
REMEMBER = sa.text("""
    INSERT INTO former_user (user_id, deleted_at) VALUES (:user_id, now()) ON CONFLICT DO NOTHING
""")


async def remember(session: AsyncSession, user_id: int) -> None:
    """From the commit on, nothing new of this user is accepted."""
    await jobs.lock_user(session, user_id)
    await (await session.connection()).execute(REMEMBER, {"user_id": user_id})


async def refuse(session: AsyncSession, user_id: int) -> None:
    """Raises where the account is gone. The caller has the user's lock."""
    found = await session.exec(select(FormerUser.user_id).where(FormerUser.user_id == user_id))
    if found.one_or_none() is not None:
        raise errors.refused(refusals.UNAUTHENTICATED)


async def forget_some(session: AsyncSession, user_id: int) -> bool:
    """Deletes some of what the user had; whether there may be more."""
    await jobs.lock_user(session, user_id)
    wanted = select(Image).where(Image.user_id == user_id).order_by(col(Image.id)).limit(AT_ONCE)
    images = (await session.exec(wanted.with_for_update())).all()
    if not images:
        await session.exec(delete(Batch).where(col(Batch.user_id) == user_id))
        await session.exec(delete(ImageBlock).where(col(ImageBlock.user_id) == user_id))
        return False
    for image in images:
        if image.status in UNFINISHED:
            await jobs.cancel(session, image)
    await session.exec(delete(Image).where(col(Image.id).in_([image.id for image in images])))
    await jobs.drop_objects(session, *jobs.keys(images))
    return True
