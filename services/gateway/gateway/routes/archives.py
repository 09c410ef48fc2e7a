"""The images of a batch page by page, all its results as one archive, and a report about them."""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from common import errors
from gateway.archives import names, report
from gateway.archives.zip_file import Member, ZipFile
from gateway.backend import backend_of
from gateway.http.envelope import Page
from gateway.identity.access import find_again
from gateway.identity.callers import Caller
from gateway.identity.route_access import BatchReader
from gateway.openapi import examples
from gateway.openapi.operation import Operation
from gateway.routes.batches import BatchId
from gateway.routes.images import StatusFilter
from gateway.routes.paging import MOST_PER_PAGE, Paging, parse_status
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb
from rest.batches import BatchImage
from rest.images import STATUSES, to_image

router = APIRouter(prefix="/api/batches", tags=["batches"])
UNFINISHED = (pb.BATCH_STATUS_PENDING, pb.BATCH_STATUS_PROCESSING)
RESULT_SECONDS = 3600.0
"""Deadline for the bytes of one result. A slow client has this long for it."""
FORMATS = ("csv", "ndjson")
TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
FormatFilter = Annotated[str | None, Query(alias="format", include_in_schema=False)]
"""The description leaves it out, because generators of clients fail on an answer that has two types."""

LIST_BATCH_IMAGES = Operation(
    id="listBatchImages",
    summary="List the images of a batch",
    message="Images retrieved successfully",
    description=(
        "In the order of the upload. A `page` or `per_page` that is invalid or out of range is replaced by a "
        "valid one."
    ),
    example_data=examples.COMPLETED_BATCH["images"],
)


@router.get("/{batch_id}/images")
@LIST_BATCH_IMAGES.describes
async def list_batch_images(
    batch_id: BatchId, caller: BatchReader, paging: Paging, status: StatusFilter = None
) -> Page[BatchImage]:
    status_filter = parse_status(status, STATUSES, pb.STATUS_UNSPECIFIED)
    request = pb.ListBatchImagesRequest(
        batch_id=batch_id, page=paging.number, per_page=paging.size, status=status_filter
    )
    response = await caller.images.ListBatchImages(request)
    images = [BatchImage(**vars(to_image(image))) for image in response.images]
    return paging.answer(LIST_BATCH_IMAGES.message, images, response.total)


GET_ARCHIVE = Operation(
    id="getBatchArchive",
    summary="Download all results of a batch",
    message="",
    description=(
        "A ZIP of all results, with unique names, and a `report.csv` about all images. It is made while it "
        "is read, so it cannot be continued. If an object disappears meanwhile, the connection breaks."
    ),
    file_type="application/zip",
    refusals=(refusals.BATCH_UNFINISHED, refusals.RANGE_NOT_SUPPORTED, refusals.TOO_MANY_ARCHIVES),
)


class ArchiveResponse(StreamingResponse):
    """An answer that frees what it holds as soon as it has ended, or its client is gone."""

    media_type = "application/zip"

    def __init__(
        self, content: AsyncGenerator[bytes], held: contextlib.ExitStack, headers: Mapping[str, str]
    ) -> None:
        super().__init__(content, headers=headers)
        self._content = content
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            async with contextlib.aclosing(self._content):
                await super().__call__(scope, receive, send)


@router.get("/{batch_id}/archive", status_code=200, response_class=ArchiveResponse)
@GET_ARCHIVE.describes
async def get_archive(request: Request, batch_id: BatchId, caller: BatchReader) -> Response:
    if "range" in request.headers:
        raise errors.refused(refusals.RANGE_NOT_SUPPORTED)
    batch = (await caller.images.GetBatch(pb.GetBatchRequest(id=batch_id, omit_images=True))).batch
    if batch.status in UNFINISHED:
        raise errors.refused(refusals.BATCH_UNFINISHED)
    places = backend_of(request).archive_places
    places.refuse_another(caller.user.id)
    archive = ZipFile(_members(request, await _images_of(caller, batch_id)))
    headers = {
        "Content-Disposition": _attachment(f"{batch.name or f'batch-{batch_id}'}.zip"),
        "Content-Length": str(archive.size),
        "Accept-Ranges": "none",
    }
    if request.state.is_head:
        return Response(media_type=ArchiveResponse.media_type, headers=headers)
    places.refuse_another(caller.user.id)  # others may have come meanwhile
    held = contextlib.ExitStack()
    held.enter_context(places.place(caller.user.id))
    return ArchiveResponse(archive.chunks(), held, headers)


GET_REPORT = Operation(
    id="getBatchReport",
    summary="Download a report about the images of a batch",
    message="",
    description=(
        "A line for each image of the batch: its state, the name of its result in the archive, why it "
        "failed, sizes and times. A cell that a spreadsheet would take for a formula begins with an "
        "apostrophe. "
        "With `format=ndjson` the answer has a JSON object in each line."
    ),
    file_type="text/csv",
    refusals=(refusals.VALIDATION_FAILED,),
)


class ReportResponse(Response):
    media_type = "text/csv"


@router.get("/{batch_id}/report", status_code=200, response_class=ReportResponse)
@GET_REPORT.describes
async def get_report(batch_id: BatchId, caller: BatchReader, format_name: FormatFilter = None) -> Response:
    chosen = format_name or FORMATS[0]
    if chosen not in FORMATS:
        raise errors.invalid({"format": [errors.choice_text("format", FORMATS)]})
    images = await _images_of(caller, batch_id)
    found = report.lines(images, _names_of_results(images))
    data = report.to_csv(found) if chosen == "csv" else report.to_ndjson(found)
    headers = {"Content-Disposition": _attachment(f"batch-{batch_id}.{chosen}")}
    return Response(data, media_type=TYPES[chosen], headers=headers)


async def _images_of(caller: Caller, batch_id: int) -> list[pb.Image]:
    """Return all images of the batch, read page by page."""
    images, page = list[pb.Image](), 1
    while True:
        request = pb.ListBatchImagesRequest(batch_id=batch_id, page=page, per_page=MOST_PER_PAGE)
        response = await caller.images.ListBatchImages(request)
        images += response.images
        if len(response.images) < MOST_PER_PAGE:
            return images
        page += 1


def _names_of_results(images: list[pb.Image]) -> dict[int, str]:
    """Return the names of the results in the archive, by the image's id."""
    completed = [image for image in images if image.status == pb.STATUS_COMPLETED]
    wanted = [names.name_of_result(image.reference, image.result_filename) for image in completed]
    unique = names.unique_names(wanted, taken=[report.NAME])
    return dict(zip((image.id for image in completed), unique, strict=True))


def _members(request: Request, images: list[pb.Image]) -> list[Member]:
    named = _names_of_results(images)
    sizes = {image.id: image.upscaled_bytes for image in images}
    about = report.to_csv(report.lines(images, named))

    async def read_report() -> AsyncGenerator[bytes]:
        yield about

    return [
        Member(report.NAME, len(about), read_report),
        *(Member(name, sizes[image_id], _Result(request, image_id).read) for image_id, name in named.items()),
    ]


class _Result:
    """The result of an image, which is read from images in the user's name."""

    def __init__(self, request: Request, image_id: int) -> None:
        self._request = request
        self._image_id = image_id

    async def read(self) -> AsyncGenerator[bytes]:
        """Yield its chunks. Raise `Unauthenticated` if the token has been revoked meanwhile."""
        caller = await find_again(self._request)  # an internal token is valid for a minute
        call = caller.images.ReadResult(pb.ReadResultRequest(id=self._image_id), timeout=RESULT_SECONDS)
        async with contextlib.aclosing(cast("AsyncGenerator[Any]", call)) as responses:
            async for response in responses:
                yield response.chunk


def _attachment(filename: str) -> str:
    """Return the `Content-Disposition` of a file with this name (RFC 6266)."""
    name = names.safe_name(filename)
    plain = "".join(one if one.isascii() and one not in '"\\%;' else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
