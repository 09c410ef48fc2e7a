"""A batch, as answers and events show it."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, Field

from loupe.images.v1 import images_pb2 as pb
from rest.choices import ScaleFactor, a_choice
from rest.images import AcceptedImage, ImageFields, to_accepted_image, to_image
from rest.values import format_time

STATUSES = {
    "pending": pb.BATCH_STATUS_PENDING,
    "processing": pb.BATCH_STATUS_PROCESSING,
    "completed": pb.BATCH_STATUS_COMPLETED,
    "partially_failed": pb.BATCH_STATUS_PARTIALLY_FAILED,
    "failed": pb.BATCH_STATUS_FAILED,
    "cancelled": pb.BATCH_STATUS_CANCELLED,
}
STATUS_NAMES = {number: name for name, number in STATUSES.items()}
BATCH_STATUS = a_choice(
    "BatchStatus",
    "The state of a batch. `partially_failed`: all images have ended, some without a result.",
    STATUSES,
)
StatusName = Annotated[str, Field(json_schema_extra=BATCH_STATUS)]
STAGES = ("fetching", "queued", "working", "done")
BATCH_STAGE = a_choice(
    "BatchStage",
    "The stage of a batch: its files are fetched, it waits for a worker, it is worked on, or it has ended.",
    STAGES,
)
StageName = Annotated[str, Field(json_schema_extra=BATCH_STAGE)]
AnyImage = TypeVar("AnyImage")


class InBatch(BaseModel):
    """The fields that come first in an image of a batch."""

    id: int
    batch_id: int


class AcceptedBatchImage(AcceptedImage, InBatch):
    pass


class BatchImage(ImageFields, InBatch):
    pass


class Batch(BaseModel, Generic[AnyImage]):
    id: int
    name: str | None
    status: StatusName
    total_images: int
    completed_images: int
    failed_images: int
    scale_factor: ScaleFactor | None
    progress: int
    images: list[AnyImage]
    created_at: str
    updated_at: str
    completed_at: str | None
    target_width: int | None
    target_height: int | None
    webhook_url: str | None
    stage: StageName


def to_batch(batch: pb.Batch, images: list[AnyImage]) -> Batch[AnyImage]:
    ended = batch.completed_images + batch.failed_images
    return Batch(
        id=batch.id,
        name=batch.name if batch.HasField("name") else None,
        status=STATUS_NAMES[batch.status],
        total_images=batch.total_images,
        completed_images=batch.completed_images,
        failed_images=batch.failed_images,
        scale_factor=batch.scale_factor or None,
        progress=100 * ended // batch.total_images,
        images=images,
        created_at=format_time(batch.created_at),
        updated_at=format_time(batch.updated_at),
        completed_at=format_time(batch.completed_at) if batch.HasField("completed_at") else None,
        target_width=batch.target_width or None,
        target_height=batch.target_height or None,
        webhook_url=batch.webhook_url or None,
        stage=_stage(batch),
    )


def _stage(batch: pb.Batch) -> str:
    if batch.status not in (pb.BATCH_STATUS_PENDING, pb.BATCH_STATUS_PROCESSING):
        return "done"
    if batch.fetching_images:
        return "fetching"
    return "queued" if batch.status == pb.BATCH_STATUS_PENDING else "working"


def to_accepted_batch_image(image: pb.Image) -> AcceptedBatchImage:
    return AcceptedBatchImage(batch_id=image.batch_id, **vars(to_accepted_image(image)))


def to_batch_images(batch: pb.Batch) -> list[BatchImage]:
    return [BatchImage(**vars(to_image(image))) for image in batch.images]
