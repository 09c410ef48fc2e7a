"""Images: upload, status, list, download link, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator

from gateway.http.envelope import Envelope, Message, Page, parse_id
from gateway.http.routing import NOT_UPLOAD
from gateway.identity.route_access import ImageDeleter, ImagePoller, ImageReader, ImageWriter
from gateway.openapi import examples
from gateway.openapi.operation import Body, Links, Operation, multipart_body
from gateway.routes import links, submissions, uploads, waits
from gateway.routes.paging import PAGES_DESCRIPTION, Paging, parse_status
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb
from rest.images import STATUSES, AcceptedImage, Image, StatusName, to_accepted_image, to_image
from rest.values import format_time

router = APIRouter(prefix="/api/images", tags=["images"])
ImageId = Annotated[int, BeforeValidator(parse_id)]
ONE_IMAGE = f"/{{image_id:{NOT_UPLOAD}}}"
"""The path of one image. Other methods of `/api/images/upscale` are 405."""
StatusFilter = Annotated[StatusName | None, Query()]


class Download(BaseModel):
    download_url: str
    filename: str
    expires_at: str


LINK_SCHEMA = {"type": "object", "properties": links.FIELDS}
LINK_EXAMPLE = {links.FIELD: "https://example.com/photo.jpg", "scale_factor": 2}

UPSCALE_IMAGE = Operation(
    id="upscaleImage",
    summary="Upscale an image",
    message="Image uploaded and queued for processing",
    description=(
        "The answer comes at once, the image is processed later. Send a scale factor or an exact size. "
        "The file is in a form, or comes from the link in a JSON body."
    ),
    example_data=examples.accepted(42, "photo.jpg"),
    body=multipart_body("ImageUpload", uploads.IMAGE_FIELDS),
    other_body=Body("ImageLink", "application/json", LINK_SCHEMA, LINK_EXAMPLE),
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
        send = links.send_link if links.is_link(request) else uploads.send_image
        response = await send(request, caller)
        uploads.warn_of_unused_options(request, [response.image])
        uploads.warn_of_images(request, [response.image])
        if image := await wait.until_new_one_ended(waits.IMAGE, response.image.id):
            return JSONResponse(GET_IMAGE.answer(to_image(image)).model_dump(mode="json"))
    if not response.replayed:  # its estimate is old
        waits.advise_when_to_poll(request, waits.IMAGE, response.image)
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
    waits.advise_when_to_poll(request, waits.IMAGE, image)
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
