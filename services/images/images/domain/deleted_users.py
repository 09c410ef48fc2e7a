"""Deleted accounts: their images and batches are deleted, and their new uploads are refused.

The refusal is needed because an internal token stays valid for up to a minute after its account was deleted,
and an upload may take longer.
"""

import sqlalchemy as sa
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from images.domain import direct_uploads, idempotency_keys, jobs, undecodable
from images.tables import UNFINISHED, Batch, DeletedUser, Image, ImageBlock
from loupe import refusals

IMAGES_PER_TRANSACTION = 250
"""How many images one transaction deletes. Its event names two objects for each."""
REMEMBER = sa.text("""
    INSERT INTO former_user (user_id, deleted_at) VALUES (:user_id, now()) ON CONFLICT DO NOTHING
""")


async def remember(session: AsyncSession, user_id: int) -> None:
    """Make `refuse_deleted` refuse this user once the transaction has committed."""
    await jobs.lock_user(session, user_id)
    await (await session.connection()).execute(REMEMBER, {"user_id": user_id})


async def refuse_deleted(session: AsyncSession, user_id: int) -> None:
    """Raise `Unauthenticated` if the account was deleted. The caller must hold the user's lock."""
    found = await session.exec(select(DeletedUser.user_id).where(DeletedUser.user_id == user_id))
    if found.one_or_none() is not None:
        raise errors.refused(refusals.UNAUTHENTICATED)


async def delete_some(session: AsyncSession, user_id: int) -> bool:
    """Delete up to 250 images of the user, or the rest if no image is left.

    Return whether more may be left to delete.
    """
    await jobs.lock_user(session, user_id)
    next_images = (
        select(Image).where(Image.user_id == user_id).order_by(col(Image.id)).limit(IMAGES_PER_TRANSACTION)
    )
    images = (await session.exec(next_images.with_for_update())).all()
    if not images:
        await session.exec(delete(Batch).where(col(Batch.user_id) == user_id))
        await session.exec(delete(ImageBlock).where(col(ImageBlock.user_id) == user_id))
        await undecodable.forget(session, user_id)
        await direct_uploads.delete_of_user(session, user_id)
        await idempotency_keys.forget(session, user_id)
        return False
    for image in images:
        if image.status in UNFINISHED:
            await jobs.cancel(session, image)
    await session.exec(delete(Image).where(col(Image.id).in_([image.id for image in images])))
    await jobs.drop_objects(session, *jobs.object_keys(images))
    return True
