"""Images: upscale, look, list, download, delete."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, BeforeValidator

from gateway.backend import Backend
from gateway.http import multipart, pages
from gateway.http.envelope import Envelope, Message, Page, human_size, instant, plain_id
from gateway.identity.access import Access, tell_usage
from gateway.identity.callers import Caller
from imagefile.formats import CHOICES
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1.known_models import KNOWN_MODELS

router = APIRouter(prefix="/api/images", tags=["images"])
Writer = Annotated[Caller, Depends(Access("images:write", creates=True))]
Reader = Annotated[Caller, Depends(Access("images:read"))]
Poller = Annotated[Caller, Depends(Access("images:read", polls=True))]
Deleter = Annotated[Caller, Depends(Access("images:delete"))]
ImageId = Annotated[int, BeforeValidator(plain_id)]
STATUSES = {
    "pending": pb.STATUS_PENDING,
    "processing": pb.STATUS_PROCESSING,
    "completed": pb.STATUS_COMPLETED,
    "failed": pb.STATUS_FAILED,
}
STATUS_NAMES = {number: name for name, number in STATUSES.items()}
WantedStatus = Annotated[str | None, Query(json_schema_extra={"enum": [*STATUSES]})]


class Failure(BaseModel):
    code: str
    message: str
    retryable: bool


class Model(BaseModel):
    asked: str
    used: str | None
    reason: str | None
    message: str | None


class AcceptedImage(BaseModel):
    id: int
    original_filename: str
    original_size: int
    original_size_human: str
    original_dimensions: str | None
    status: str
    scale_factor: int | None
    target_width: int | None
    target_height: int | None
    api_request: bool
    created_at: str
    updated_at: str
    queue_position: int | None
    estimated_seconds: int | None


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
    status: str
    scale_factor: int | None
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


class Image(ImageFields):
    batch_id: int | None


class Download(BaseModel):
    download_url: str
    filename: str
    expires_at: str


FILE: dict[str, Any] = {"type": "string", "format": "binary", "description": "At most 10 MB."}
SIDE = {"type": "integer", "minimum": 1, "maximum": 16384}
OPTIONS: dict[str, Any] = {
    "scale_factor": {"type": "integer", "enum": [2, 3, 4], "default": 2},
    "target_width": SIDE,
    "target_height": SIDE,
    "fit": {"type": "string", "enum": ["stretch", "cover", "contain"], "default": "stretch"},
    "output_format": {"type": "string", "enum": [*CHOICES]},
    "quality": {"type": "integer", "minimum": 1, "maximum": 100},
    "metadata": {"type": "string", "enum": ["strip", "keep"], "default": "strip"},
    "model": {"type": "string", "enum": [model.name for model in KNOWN_MODELS], "default": "auto"},
}
UPSCALE_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {"image": FILE} | OPTIONS,
            }
        }
    },
}


@router.post("/upscale", status_code=202, openapi_extra={"requestBody": UPSCALE_BODY})
async def upscale(request: Request, caller: Writer) -> Envelope[AcceptedImage]:
    backend: Backend = request.app.state.backend
    response = await backend.images.Upscale(multipart.one_image(request))
    tell_usage(request, caller, response)
    return Envelope(
        message="Image uploaded and queued for processing", data=to_accepted_image(response.image)
    )


@router.get("")
async def list_images(
    request: Request, caller: Reader, paging: pages.Paging, status: WantedStatus = None
) -> Page[Image]:
    backend: Backend = request.app.state.backend
    wanted = pages.selected(status, STATUSES, pb.STATUS_UNSPECIFIED)
    response = await backend.images.ListImages(
        pb.ListImagesRequest(page=paging.number, per_page=paging.size, status=wanted)
    )
    images = [to_image(image) for image in response.images]
    return pages.page(request, "Images retrieved successfully", images, paging, response.total)


@router.get("/{image_id}")
async def get_image(request: Request, image_id: ImageId, caller: Poller) -> Envelope[Image]:
    backend: Backend = request.app.state.backend
    response = await backend.images.GetImage(pb.GetImageRequest(id=image_id))
    return Envelope(message="Image retrieved successfully", data=to_image(response.image))


@router.get("/{image_id}/download")
async def download(request: Request, image_id: ImageId, caller: Reader) -> Envelope[Download]:
    backend: Backend = request.app.state.backend
    response = await backend.images.GetDownload(pb.GetDownloadRequest(id=image_id))
    link = Download(
        download_url=response.download_url,
        filename=response.filename,
        expires_at=instant(response.expires_at),
    )
    return Envelope(message="Download URL generated successfully", data=link)


@router.delete("/{image_id}")
async def delete_image(request: Request, image_id: ImageId, caller: Deleter) -> Message:
    backend: Backend = request.app.state.backend
    await backend.images.DeleteImage(pb.DeleteImageRequest(id=image_id))
    return Message(message="Image deleted successfully")


def to_accepted_image(image: pb.Image) -> AcceptedImage:
    return AcceptedImage(
        id=image.id,
        original_filename=image.original_filename,
        original_size=image.original_bytes,
        original_size_human=human_size(image.original_bytes),
        original_dimensions=None,
        status=STATUS_NAMES[image.status],
        scale_factor=image.scale_factor or None,
        target_width=image.target_width or None,
        target_height=image.target_height or None,
        api_request=image.api_request,
        created_at=instant(image.created_at),
        updated_at=instant(image.updated_at),
        queue_position=image.queue_position or None,
        estimated_seconds=image.estimated_seconds or None,
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
        original_size_human=human_size(image.original_bytes),
        upscaled_size_human=human_size(image.upscaled_bytes) if is_done else None,
        original_dimensions=_size(image.original_size, "x"),
        upscaled_dimensions=_size(image.upscaled_size, "x"),
        original_dimensions_formatted=_size(image.original_size, " x "),
        upscaled_dimensions_formatted=_size(image.upscaled_size, " x "),
        status=STATUS_NAMES[image.status],
        scale_factor=image.scale_factor or None,
        target_width=image.target_width or None,
        target_height=image.target_height or None,
        processing_time=round(image.processing_seconds, 2) if image.HasField("processing_seconds") else None,
        api_request=image.api_request,
        download_url=image.download_url or None,
        created_at=instant(image.created_at),
        updated_at=instant(image.updated_at),
        queue_time=round(image.queue_seconds, 2) if image.HasField("queue_seconds") else None,
        download_expires_at=instant(image.download_expires_at) if image.download_url else None,
        error=_failure(image),
        model=_model(image.model),
        progress=image.progress,
        queue_position=image.queue_position or None,
        estimated_seconds=image.estimated_seconds or None,
        batch_id=image.batch_id or None,
    )


def _failure(image: pb.Image) -> Failure | None:
    if not image.HasField("failure"):
        return None
    failure = image.failure
    return Failure(code=failure.code, message=failure.message, retryable=failure.retryable)


def _model(model: pb.Model) -> Model:
    return Model(
        asked=model.asked,
        used=model.used or None,
        reason=model.reason or None,
        message=model.message or None,
    )


def _size(size: pb.Size, between: str) -> str | None:
    return f"{size.width}{between}{size.height}" if size.width else None
