"""An image, as answers and events show it."""

from typing import Annotated

from pydantic import BaseModel, Field

from loupe.images.v1 import images_pb2 as pb
from rest.choices import ScaleFactor, a_choice
from rest.image_parts import (
    EarlierFailure,
    Failure,
    ImageWarning,
    Model,
    Previews,
    to_earlier_failures,
    to_failure,
    to_model,
    to_previews,
    to_size,
    to_warnings,
)
from rest.values import format_size, format_time

STATUSES = {
    "pending": pb.STATUS_PENDING,
    "processing": pb.STATUS_PROCESSING,
    "completed": pb.STATUS_COMPLETED,
    "failed": pb.STATUS_FAILED,
}
STATUS_NAMES = {number: name for name, number in STATUSES.items()}
IMAGE_STATUS = a_choice(
    "ImageStatus",
    "The state of an image: waiting, under way, done, or ended without a result.",
    STATUSES,
)
StatusName = Annotated[str, Field(json_schema_extra=IMAGE_STATUS)]


class AcceptedImage(BaseModel):
    id: int
    original_filename: str
    original_size: int
    original_size_human: str
    original_dimensions: str | None
    status: StatusName
    scale_factor: ScaleFactor | None
    target_width: int | None
    target_height: int | None
    api_request: bool
    created_at: str
    updated_at: str
    queue_position: int | None
    estimated_seconds: int | None
    warnings: list[ImageWarning]
    reference: str | None


class ImageFields(BaseModel):
    id: int
    original_filename: str
    original_path: str
    upscaled_path: str | None
    original_size: int
    upscaled_size: int | None
    original_size_human: str
    upscaled_size_human: str | None
    original_dimensions: str | None
    upscaled_dimensions: str | None
    original_dimensions_formatted: str | None
    upscaled_dimensions_formatted: str | None
    status: StatusName
    scale_factor: ScaleFactor | None
    target_width: int | None
    target_height: int | None
    processing_time: float | None
    api_request: bool
    download_url: str | None
    created_at: str
    updated_at: str
    queue_time: float | None
    download_expires_at: str | None
    error: Failure | None
    model: Model
    progress: int
    queue_position: int | None
    estimated_seconds: int | None
    warnings: list[ImageWarning]
    earlier_errors: list[EarlierFailure]
    original_url: str | None
    previews: Previews | None
    webhook_url: str | None
    expires_at: str | None
    reference: str | None


class Image(ImageFields):
    batch_id: int | None


def to_accepted_image(image: pb.Image) -> AcceptedImage:
    return AcceptedImage(
        id=image.id,
        original_filename=image.original_filename,
        original_size=image.original_bytes,
        original_size_human=format_size(image.original_bytes),
        original_dimensions=None,
        status=STATUS_NAMES[image.status],
        scale_factor=image.scale_factor or None,
        target_width=image.target_width or None,
        target_height=image.target_height or None,
        api_request=image.api_request,
        created_at=format_time(image.created_at),
        updated_at=format_time(image.updated_at),
        queue_position=image.queue_position or None,
        estimated_seconds=image.estimated_seconds or None,
        warnings=to_warnings(image),
        reference=image.reference or None,
    )


def to_image(image: pb.Image) -> Image:
    is_done = image.status == pb.STATUS_COMPLETED
    return Image(
        id=image.id,
        original_filename=image.original_filename,
        original_path=image.original_path,
        upscaled_path=image.upscaled_path or None,
        original_size=image.original_bytes,
        upscaled_size=image.upscaled_bytes if is_done else None,
        original_size_human=format_size(image.original_bytes),
        upscaled_size_human=format_size(image.upscaled_bytes) if is_done else None,
        original_dimensions=to_size(image.original_size, "x"),
        upscaled_dimensions=to_size(image.upscaled_size, "x"),
        original_dimensions_formatted=to_size(image.original_size, " x "),
        upscaled_dimensions_formatted=to_size(image.upscaled_size, " x "),
        status=STATUS_NAMES[image.status],
        scale_factor=image.scale_factor or None,
        target_width=image.target_width or None,
        target_height=image.target_height or None,
        processing_time=round(image.processing_seconds, 2) if image.HasField("processing_seconds") else None,
        api_request=image.api_request,
        download_url=image.download_url or None,
        created_at=format_time(image.created_at),
        updated_at=format_time(image.updated_at),
        queue_time=round(image.queue_seconds, 2) if image.HasField("queue_seconds") else None,
        download_expires_at=format_time(image.download_expires_at) if image.download_url else None,
        error=to_failure(image),
        model=to_model(image.model),
        progress=image.progress,
        queue_position=image.queue_position or None,
        estimated_seconds=image.estimated_seconds or None,
        warnings=to_warnings(image),
        earlier_errors=to_earlier_failures(image),
        original_url=image.original_url or None,
        previews=to_previews(image),
        webhook_url=image.webhook_url or None,
        expires_at=format_time(image.expires_at) if image.HasField("expires_at") else None,
        reference=image.reference or None,
        batch_id=image.batch_id or None,
    )
