"""Publishes the outcomes of images again, in case billing has missed an event.

Billing recognises each event by its reservation and ignores an event that it has applied before.
"""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import outbox, trace
from images.domain import jobs
from images.tables import UNFINISHED, Image, Status

IMAGES_PER_PAGE = 500


async def replay(session: AsyncSession, after_id: int, since: datetime) -> tuple[int, int]:
    """Check the next images with ids above `after_id`, and publish the outcomes that are not older than
    `since`.

    Return how many were published, and the id to continue after: 0 if these were the last images.
    """
    next_images = select(Image).where(col(Image.id) > after_id).order_by(col(Image.id)).limit(IMAGES_PER_PAGE)
    images = (await session.exec(next_images)).all()
    ended = [image for image in images if image.status not in UNFINISHED and image.updated_at >= since]
    for image in ended:
        origin = trace.Origin(image.request_id, image.trace_parent)
        await outbox.publish(session, _subject(image), jobs.ended_event(image), origin=origin)
    return len(ended), (images[-1].id or 0) if len(images) == IMAGES_PER_PAGE else 0


def _subject(image: Image) -> str:
    if image.status == Status.COMPLETED:
        return "images.completed"
    return "images.cancelled" if image.failure_code == "cancelled" else "images.failed"
