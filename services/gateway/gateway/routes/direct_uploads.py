"""Direct uploads: a client puts a file into the object store, and upscales it by its id later."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from gateway.http import bodies
from gateway.http.envelope import Envelope
from gateway.identity.route_access import ImageWriter
from gateway.openapi import examples
from gateway.openapi.operation import Operation, json_body
from gateway.routes import submissions
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb
from rest.values import format_time

router = APIRouter(prefix="/api/uploads", tags=["images"])
INT64 = 1 << 63


class FileToUpload(BaseModel):
    filename: str
    size: bodies.WholeNumber
    sha256: str = ""
    content_type: str = ""


class DirectUpload(BaseModel):
    """The request that stores a file. `url` ends at `link_expires_at`, and the upload at `expires_at`."""

    id: str
    url: str
    method: str
    headers: dict[str, str]
    link_expires_at: str
    expires_at: str


CREATE_UPLOAD = Operation(
    id="createUpload",
    summary="Prepare a direct upload",
    message="Upload prepared successfully",
    description=(
        "Send the file to `url` with `method` and exactly these `headers`, within an hour. Then send "
        "`upload_id` instead of a file. The bytes do not pass through the API. An upload serves once, within "
        "a day."
    ),
    example_data=examples.DIRECT_UPLOAD,
    body=json_body(
        FileToUpload,
        "filename",
        "size",
        example={"filename": "photo.jpg", "size": 1_234_567, "content_type": "image/jpeg"},
    ),
    refusals=(refusals.TOO_MANY_UNUSED_UPLOADS, *submissions.REFUSALS),
)


@router.post("", status_code=201)
@CREATE_UPLOAD.describes
async def create_upload(
    request: Request, caller: ImageWriter, idempotency_key: submissions.Key = None
) -> Envelope[DirectUpload]:
    metadata = submissions.metadata_of(request, caller)
    values = await bodies.parse(request, FileToUpload)
    size = max(-INT64, min(values.pop("size"), INT64 - 1))  # the limit is far below
    prepared = pb.CreateUploadRequest(bytes=size, **values)
    response = await caller.images.CreateUpload(prepared, metadata=metadata)
    submissions.describe_replay(request, response)
    upload = DirectUpload(
        id=response.id,
        url=response.url,
        method="PUT",
        headers=dict(response.headers),
        link_expires_at=format_time(response.link_expires_at),
        expires_at=format_time(response.expires_at),
    )
    return CREATE_UPLOAD.answer(upload)
