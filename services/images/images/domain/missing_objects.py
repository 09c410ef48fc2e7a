"""Finds and fails images whose object is missing, for example after a backup was restored.

An unfinished image needs its original, a completed one its result, a failed one nothing.
"""

from collections.abc import Collection, Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from images.domain import batch_progress, jobs
from images.tables import UNFINISHED, Image, Status
from loupe.inference.v1 import inference_pb2

IMAGES_PER_PAGE = 200
OBJECT_LOST = inference_pb2.Failure(
    code="object_lost", message="The image's file is no longer stored.", retryable=True
)


def needed_key(image: Image) -> str:
    """Return the key of the object that the image needs, or an empty string."""
    if image.status in UNFINISHED:
        return image.original_path
    return image.upscaled_path if image.status == Status.COMPLETED else ""


async def page(session: AsyncSession, after_id: int) -> Sequence[Image]:
    """Return the next images with ids above `after_id` that need an object, at most 200."""
    found = await session.exec(
        select(Image)
        .where(col(Image.id) > after_id, col(Image.status) != Status.FAILED, col(Image.original_bytes) > 0)
        .order_by(col(Image.id))
        .limit(IMAGES_PER_PAGE)
    )
    return found.all()


async def mark_failed(
    session: AsyncSession, image_id: int, missing_keys: Collection[str], rules: jobs.Rules
) -> None:
    """Fail the image if it needs one of these objects, even if it was completed.

    Its place in the quota is released, unless it was captured already.
    """
    image = await jobs.lock_image(session, image_id)
    if image is None or needed_key(image) not in missing_keys:
        return
    if image.status == Status.COMPLETED:
        await batch_progress.uncount_completed(session, image)
    await jobs.fail(session, image, OBJECT_LOST, rules)
