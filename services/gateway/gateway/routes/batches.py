"""Batches: several images in one request, and how far they have come."""

from typing import Annotated, Generic, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, BeforeValidator

from gateway.backend import Backend
from gateway.http import multipart, pages
from gateway.http.envelope import Envelope, Message, Page, instant, plain_id
from gateway.identity.access import Access, tell_usage
from gateway.identity.callers import Caller
from gateway.routes.images import FILE, OPTIONS, AcceptedImage, ImageFields, to_accepted_image, to_image
from loupe.images.v1 import images_pb2 as pb

router = APIRouter(prefix="/api/batches", tags=["batches"])
FEATURE = "batch_processing"
Writer = Annotated[Caller, Depends(Access("images:write", creates=True, feature=FEATURE))]
Reader = Annotated[Caller, Depends(Access("images:read", feature=FEATURE))]
Poller = Annotated[Caller, Depends(Access("images:read", polls=True, feature=FEATURE))]
Deleter = Annotated[Caller, Depends(Access("images:delete", feature=FEATURE))]
BatchId = Annotated[int, BeforeValidator(plain_id)]
STATUSES = {
    "pending": pb.BATCH_STATUS_PENDING,
    "processing": pb.BATCH_STATUS_PROCESSING,
    "completed": pb.BATCH_STATUS_COMPLETED,
    "partially_failed": pb.BATCH_STATUS_PARTIALLY_FAILED,
    "failed": pb.BATCH_STATUS_FAILED,
    "cancelled": pb.BATCH_STATUS_CANCELLED,
}
STATUS_NAMES = {number: name for name, number in STATUSES.items()}
WantedStatus = Annotated[str | None, Query(json_schema_extra={"enum": [*STATUSES]})]
Shown = TypeVar("Shown")


class InBatch(BaseModel):
    """What stands first in an image of a batch."""

    id: int
    batch_id: int


class AcceptedBatchImage(AcceptedImage, InBatch):
    pass


class BatchImage(ImageFields, InBatch):
    pass


class Batch(BaseModel, Generic[Shown]):
    id: int
    name: str | None
    status: str
    total_images: int
    completed_images: int
    failed_images: int
    scale_factor: int | None
    progress: int
    images: list[Shown]
    created_at: str
    updated_at: str
    completed_at: str | None
    target_width: int | None
    target_height: int | None


BATCH_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["images[]"],
                "properties": {
                    "images[]": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 20,
                        "items": FILE,
                    },
                    "name": {"type": "string", "maxLength": 255},
                }
                | OPTIONS,
            }
        }
    },
}


@router.post("", status_code=202, openapi_extra={"requestBody": BATCH_BODY})
async def create_batch(request: Request, caller: Writer) -> Envelope[Batch[AcceptedBatchImage]]:
    backend: Backend = request.app.state.backend
    response = await backend.images.CreateBatch(multipart.several_images(request))
    tell_usage(request, caller, response)
    images = [to_accepted_batch_image(image) for image in response.batch.images]
    return Envelope(
        message="Batch created and images queued for processing", data=to_batch(response.batch, images)
    )


@router.get("")
async def list_batches(
    request: Request, caller: Reader, paging: pages.Paging, status: WantedStatus = None
) -> Page[Batch[BatchImage]]:
    backend: Backend = request.app.state.backend
    wanted = pages.selected(status, STATUSES, pb.BATCH_STATUS_UNSPECIFIED)
    response = await backend.images.ListBatches(
        pb.ListBatchesRequest(page=paging.number, per_page=paging.size, status=wanted)
    )
    batches = [to_batch(batch, to_batch_images(batch)) for batch in response.batches]
    return pages.page(request, "Batches retrieved successfully", batches, paging, response.total)


@router.get("/{batch_id}")
async def get_batch(request: Request, batch_id: BatchId, caller: Poller) -> Envelope[Batch[BatchImage]]:
    backend: Backend = request.app.state.backend
    response = await backend.images.GetBatch(pb.GetBatchRequest(id=batch_id))
    batch = to_batch(response.batch, to_batch_images(response.batch))
    return Envelope(message="Batch retrieved successfully", data=batch)


@router.delete("/{batch_id}")
async def delete_batch(request: Request, batch_id: BatchId, caller: Deleter) -> Message:
    """Cancels one that is unfinished; deletes one that has ended."""
    backend: Backend = request.app.state.backend
    response = await backend.images.DeleteBatch(pb.DeleteBatchRequest(id=batch_id))
    return Message(message=f"Batch {'cancelled' if response.cancelled else 'deleted'} successfully")


def to_batch(batch: pb.Batch, images: list[Shown]) -> Batch[Shown]:
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
        created_at=instant(batch.created_at),
        updated_at=instant(batch.updated_at),
        completed_at=instant(batch.completed_at) if batch.HasField("completed_at") else None,
        target_width=batch.target_width or None,
        target_height=batch.target_height or None,
    )


def to_accepted_batch_image(image: pb.Image) -> AcceptedBatchImage:
    return AcceptedBatchImage(batch_id=image.batch_id, **vars(to_accepted_image(image)))


def to_batch_images(batch: pb.Batch) -> list[BatchImage]:
    return [BatchImage(**vars(to_image(image))) for image in batch.images]
