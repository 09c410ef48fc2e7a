"""Pages of a user's images, newest first: the sixty thousandth is found as soon as the first.

Images are counted in blocks of a thousand (see their migration), by all and by how they ended. The sums of
the blocks tell the total and the block in which a page begins; at most a thousand images are skipped from
there. Of unfinished images there are few, with an index of their own: they are counted one by one.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

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


async def page(
    session: AsyncSession, user_id: int, status: Status | None, *, number: int, size: int
) -> tuple[Sequence[Image], int]:
    """One page, and how many images there are in all."""
    offset = (number - 1) * size
    wanted = [col(Image.user_id) == user_id] + ([col(Image.status) == status] if status else [])
    if status in UNFINISHED:
        wanted.append(col(Image.status).in_(UNFINISHED))  # as the index has it
        total = (await session.exec(select(func.count()).select_from(Image).where(*wanted))).one()
    else:
        values = {"user_id": user_id, "offset": offset, "counted": status or "total"}
        blocks = (await (await session.connection()).execute(BLOCKS, values)).one()
        total, offset = int(blocks.total), offset - int(blocks.skipped)
        if blocks.end_id is not None:
            wanted.append(col(Image.id) < blocks.end_id)
    newest = select(Image).where(*wanted).order_by(col(Image.id).desc())
    return (await session.exec(newest.limit(size).offset(offset))).all(), total
