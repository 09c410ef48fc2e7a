"""Images without the object that they need, as a restore leaves them: unfinished ones need their original,
completed ones their result, failed ones nothing.
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


def needed(image: Image) -> str:
    """The key of the object; empty for none."""
    if image.status in UNFINISHED:
        return image.original_path
    return image.upscaled_path if image.status == Status.COMPLETED else ""


async def page(session: AsyncSession, after_id: int) -> Sequence[Image]:
    """The next images that need an object."""
    found = await session.exec(
        select(Image)
        .where(col(Image.id) > after_id, col(Image.status) != Status.FAILED)
        .order_by(col(Image.id))
        .limit(AT_ONCE)
    )
    return found.all()


async def mark(session: AsyncSession, image_id: int, absent: Collection[str], rules: jobs.Rules) -> None:
    """Fails the image where its object is one of these, also where it was completed. Its place in the quota
    goes back if it is not used yet.
    """
    image = await jobs.locked(session, image_id)
    if image is None or needed(image) not in absent:
        return
    if image.status == Status.COMPLETED:
        await batch_progress.uncompleted(session, image)
    await jobs.fail(session, image, LOST, rules)
