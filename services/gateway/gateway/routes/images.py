"""Images: upload, status, list, download link, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, Field

from gateway.http.envelope import Envelope, Message, Page, format_size, format_time, parse_id
from gateway.http.routing import NOT_UPLOAD
from gateway.identity.route_access import ImageDeleter, ImagePoller, ImageReader, ImageWriter
from gateway.openapi import examples
from gateway.openapi.operation import Links, Operation, multipart_body
from gateway.openapi.schema_parts import ScaleFactor, a_choice
from gateway.routes import submissions, uploads, waits
from gateway.routes.image_parts import (
    Failure,
    ImageWarning,
    Model,
    to_failure,
    to_model,
    to_size,
    to_warnings,
)
from gateway.routes.paging import PAGES_DESCRIPTION, Paging, parse_status
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb

router = APIRouter(prefix="/api/images", tags=["images"])
ImageId = Annotated[int, BeforeValidator(parse_id)]
ONE_IMAGE = f"/{{image_id:{NOT_UPLOAD}}}"
"""The path of one image. Other methods of `/api/images/upscale` are 405."""
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
StatusFilter = Annotated[StatusName | None, Query()]


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


class Image(ImageFields):
    batch_id: int | None


class Download(BaseModel):
    download_url: str
    filename: str
    expires_at: str


UPSCALE_IMAGE = Operation(
    id="upscaleImage",
    summary="Upscale an image",
    message="Image uploaded and queued for processing",
    description=(
        "The answer comes at once, the image is processed later. Send a scale factor or an exact size."
    ),
    example_data=examples.accepted(42, "photo.jpg"),
    body=multipart_body("ImageUpload", uploads.IMAGE_FIELDS, "image"),
    refusals=(*uploads.REFUSALS, refusals.TOO_MANY_WAITS),
    waits_for="getImage",
    links=Links(("getImage", "downloadImage", "deleteImage"), "image_id"),
)


@router.post(
    "/upscale",
    status_code=202,
    response_model=Envelope[AcceptedImage],
    responses={200: {"model": Envelope[Image]}},
)
@UPSCALE_IMAGE.describes
async def upscale(
    request: Request,
    caller: ImageWriter,
    idempotency_key: submissions.Key = None,
    prefer: waits.Prefer = None,
) -> Envelope[AcceptedImage] | JSONResponse:
    with waits.admitted(request, caller, waits.preferred_seconds(request)) as wait:
        response = await uploads.send_image(request, caller)
        uploads.warn_of_unused_options(request, [response.image])
        uploads.warn_of_images(request, [response.image])
        if image := await wait.until_new_one_ended(waits.IMAGE, response.image.id):
            return JSONResponse(GET_IMAGE.answer(to_image(image)).model_dump(mode="json"))
    return UPSCALE_IMAGE.answer(to_accepted_image(response.image))


LIST_IMAGES = Operation(
    id="listImages",
    summary="List your images",
    message="Images retrieved successfully",
    description=PAGES_DESCRIPTION,
    example_data=[examples.IMAGE],
)


@router.get("")
@LIST_IMAGES.describes
async def list_images(caller: ImageReader, paging: Paging, status: StatusFilter = None) -> Page[Image]:
    status_filter = parse_status(status, STATUSES, pb.STATUS_UNSPECIFIED)
    response = await caller.images.ListImages(
        pb.ListImagesRequest(page=paging.number, per_page=paging.size, status=status_filter)
    )
    return paging.answer(LIST_IMAGES.message, [to_image(image) for image in response.images], response.total)


GET_IMAGE = Operation(
    id="getImage",
    summary="Get an image",
    message="Image retrieved successfully",
    description="Poll this every few seconds until `status` is `completed` or `failed`, or let it wait.",
    example_data=examples.IMAGE,
    refusals=waits.REFUSALS,
)


@router.get(ONE_IMAGE)
@GET_IMAGE.describes
async def get_image(
    request: Request, image_id: ImageId, caller: ImagePoller, wait: waits.WaitSeconds = None
) -> Envelope[Image]:
    with waits.admitted(request, caller, wait) as waiting:
        image = await waiting.until_ended(waits.IMAGE, image_id)
    return GET_IMAGE.answer(to_image(image))


DOWNLOAD_IMAGE = Operation(
    id="downloadImage",
    summary="Get a link to the upscaled image",
    message="Download URL generated successfully",
    description="The link works for an hour and needs no token.",
    example_data=examples.DOWNLOAD,
    refusals=(refusals.IMAGE_PROCESSING, refusals.IMAGE_FAILED),
)


@router.get("/{image_id}/download")
@DOWNLOAD_IMAGE.describes
async def download(image_id: ImageId, caller: ImageReader) -> Envelope[Download]:
    response = await caller.images.GetDownload(pb.GetDownloadRequest(id=image_id))
    link = Download(
        download_url=response.download_url,
        filename=response.filename,
        expires_at=format_time(response.expires_at),
    )
    return DOWNLOAD_IMAGE.answer(link)


DELETE_IMAGE = Operation(
    id="deleteImage",
    summary="Delete an image",
    message="Image deleted successfully",
    description="The image and its files are gone for good. Unfinished work is cancelled and does not count.",
)


@router.delete(ONE_IMAGE)
@DELETE_IMAGE.describes
async def delete_image(image_id: ImageId, caller: ImageDeleter) -> Message:
    await caller.images.DeleteImage(pb.DeleteImageRequest(id=image_id))
    return DELETE_IMAGE.done()


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
        batch_id=image.batch_id or None,
    )
