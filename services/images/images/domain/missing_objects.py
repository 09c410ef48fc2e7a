"""Images whose object is missing, as a restored backup may leave them.

An unfinished image needs its original, a completed one its result, a failed one nothing.
"""

from collections.abc import Collection, Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from images.domain import batch_progress, jobs
from images.tables import UNFINISHED, Image, Status
from loupe.inference.v1 import inference_pb2

AT_ONCE = 200
LOST = inference_pb2.Failure(
    code="object_lost", message="The image's file is no longer stored.", retryable=True
)


def needed_key(image: Image) -> str:
    """Return the key of the object that the image needs, or an empty string."""
    if image.status in UNFINISHED:
        return image.original_path
    return image.upscaled_path if image.status == Status.COMPLETED else ""


async def page(session: AsyncSession, after_id: int) -> Sequence[Image]:
    """Return the next images after that id that need an object."""
    found = await session.exec(
        select(Image)
        .where(col(Image.id) > after_id, col(Image.status) != Status.FAILED)
        .order_by(col(Image.id))
        .limit(AT_ONCE)
    )
    return found.all()


async def mark(
    session: AsyncSession, image_id: int, missing_keys: Collection[str], rules: jobs.Rules
) -> None:
    """Let the image fail if it needs one of these objects, even if it was completed.

    Its place in the quota is given back unless it was already charged.
    """
    image = await jobs.locked(session, image_id)
    if image is None or needed_key(image) not in missing_keys:
        return
    if image.status == Status.COMPLETED:
        await batch_progress.uncompleted(session, image)
    await jobs.fail(session, image, LOST, rules)
