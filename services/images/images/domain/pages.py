"""Pages of a user's images, newest first. The last page is found as fast as the first.

The table `image_block` counts images in blocks of a thousand, in total and by their outcome (migration 0002).
The sums of the blocks give the total and the block in which a page begins, so at most a thousand images are
skipped. Unfinished images are counted one by one, because they are few and have their own index.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from images.domain import expiry
from images.tables import UNFINISHED, Image, Status

BLOCKS = sa.text("""
    SELECT coalesce(sum(images), 0) AS total,
        coalesce(sum(images) FILTER (WHERE images_so_far <= :offset), 0) AS skipped,
        min(first_id) FILTER (WHERE images_so_far <= :offset) AS end_id
    FROM (
        SELECT first_id, images, sum(images) OVER (ORDER BY first_id DESC) AS images_so_far
        FROM (
            SELECT first_id, CASE :counted
                WHEN 'completed' THEN completed WHEN 'failed' THEN failed ELSE total END AS images
            FROM image_block WHERE user_id = :user_id
        ) AS counted
    ) AS summed
""")


LARGEST_PAGE = 100


def first_row(number: int, size: int) -> int:
    """Return how many rows come before a page, counted from 1.

    Raise `InvalidArgument` if no list can have such a page.
    """
    if number < 1 or not 1 <= size <= LARGEST_PAGE:
        text = f"page {number} of {size} items: pages count from 1 and have 1 to {LARGEST_PAGE} items"
        raise errors.InvalidArgument(text, reason="invalid_page")
    return (number - 1) * size


async def page(
    session: AsyncSession, user_id: int, status: Status | None, *, number: int, size: int
) -> tuple[Sequence[Image], int]:
    """Return one page, counted from 1, and the number of images on all pages."""
    offset = first_row(number, size)
    conditions = [col(Image.user_id) == user_id] + ([col(Image.status) == status] if status else [])
    if status in UNFINISHED:
        conditions.append(col(Image.status).in_(UNFINISHED))  # matches the partial index
    if status in UNFINISHED or await expiry.has_due(session, user_id):  # blocks count expired images too
        conditions.append(expiry.is_kept())
        total = (await session.exec(select(func.count()).select_from(Image).where(*conditions))).one()
    else:
        values = {"user_id": user_id, "offset": offset, "counted": status or "total"}
        blocks = (await (await session.connection()).execute(BLOCKS, values)).one()
        total, offset = int(blocks.total), offset - int(blocks.skipped)
        if blocks.end_id is not None:
            conditions.append(col(Image.id) < blocks.end_id)
    newest = select(Image).where(*conditions).order_by(col(Image.id).desc())
    return (await session.exec(newest.limit(size).offset(offset))).all(), total
