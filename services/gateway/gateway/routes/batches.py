"""Batches: several images in one request, and their progress."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BeforeValidator

from gateway.http.envelope import Envelope, Message, Page, parse_id
from gateway.identity.route_access import BatchDeleter, BatchPoller, BatchReader, BatchWriter
from gateway.openapi import examples
from gateway.openapi.operation import Links, Operation, multipart_body
from gateway.routes import links, manifests, submissions, uploads, waits
from gateway.routes.paging import PAGES_DESCRIPTION, Paging, parse_status
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb
from rest.batches import (
    STATUSES,
    AcceptedBatchImage,
    Batch,
    BatchImage,
    StatusName,
    to_accepted_batch_image,
    to_batch,
    to_batch_images,
)

router = APIRouter(prefix="/api/batches", tags=["batches"])
BatchId = Annotated[int, BeforeValidator(parse_id)]
StatusFilter = Annotated[StatusName | None, Query()]


CREATE_BATCH = Operation(
    id="createBatch",
    summary="Upscale several images",
    message="Batch created and images queued for processing",
    description=(
        "If one file is refused, or the quota is too small for all, no image is accepted. "
        "The files are in a form, or the items of a JSON body name links or direct uploads, which Loupe "
        "fetches later."
    ),
    example_data=examples.PENDING_BATCH,
    body=multipart_body("BatchUpload", uploads.BATCH_FIELDS, "images[]"),
    other_body=manifests.BODY,
    refusals=(*uploads.REFUSALS, refusals.TOO_MANY_WAITS, refusals.TOO_MANY_REFUSED_ITEMS),
    waits_for="getBatch",
    links=Links(("getBatch", "deleteBatch"), "batch_id"),
)


@router.post(
    "",
    status_code=202,
    response_model=Envelope[Batch[AcceptedBatchImage]],
    responses={200: {"model": Envelope[Batch[BatchImage]]}},
)
@CREATE_BATCH.describes
async def create_batch(
    request: Request,
    caller: BatchWriter,
    idempotency_key: submissions.Key = None,
    prefer: waits.Prefer = None,
) -> Envelope[Batch[AcceptedBatchImage]] | JSONResponse:
    with waits.admitted(request, caller, waits.preferred_seconds(request)) as wait:
        send = manifests.send_manifest if links.is_link(request) else uploads.send_batch
        response = await send(request, caller)
        uploads.warn_of_unused_options(request, response.batch.images)
        uploads.warn_of_images(request, response.batch.images, in_batch=True)
        if batch := await wait.until_new_one_ended(waits.BATCH, response.batch.id):
            ended = GET_BATCH.answer(to_batch(batch, to_batch_images(batch)))
            return JSONResponse(ended.model_dump(mode="json"))
    if not response.replayed:  # its estimate is old
        waits.advise_when_to_poll(request, waits.BATCH, response.batch)
    images = [to_accepted_batch_image(image) for image in response.batch.images]
    return CREATE_BATCH.answer(to_batch(response.batch, images))


LIST_BATCHES = Operation(
    id="listBatches",
    summary="List your batches",
    message="Batches retrieved successfully",
    description=PAGES_DESCRIPTION,
    example_data=[examples.COMPLETED_BATCH],
)


@router.get("")
@LIST_BATCHES.describes
async def list_batches(
    caller: BatchReader, paging: Paging, status: StatusFilter = None
) -> Page[Batch[BatchImage]]:
    status_filter = parse_status(status, STATUSES, pb.BATCH_STATUS_UNSPECIFIED)
    response = await caller.images.ListBatches(
        pb.ListBatchesRequest(page=paging.number, per_page=paging.size, status=status_filter)
    )
    batches = [to_batch(batch, to_batch_images(batch)) for batch in response.batches]
    return paging.answer(LIST_BATCHES.message, batches, response.total)


GET_BATCH = Operation(
    id="getBatch",
    summary="Get a batch",
    message="Batch retrieved successfully",
    description=(
        "Includes the first 100 images of the batch. Poll this until `completed_at` is set, or let it wait."
    ),
    example_data=examples.COMPLETED_BATCH,
    refusals=waits.REFUSALS,
)


@router.get("/{batch_id}")
@GET_BATCH.describes
async def get_batch(
    request: Request, batch_id: BatchId, caller: BatchPoller, wait: waits.WaitSeconds = None
) -> Envelope[Batch[BatchImage]]:
    with waits.admitted(request, caller, wait) as waiting:
        batch = await waiting.until_ended(waits.BATCH, batch_id)
    waits.advise_when_to_poll(request, waits.BATCH, batch)
    return GET_BATCH.answer(to_batch(batch, to_batch_images(batch)))


CANCELLED, DELETED = "Batch cancelled successfully", "Batch deleted successfully"
DELETE_BATCH = Operation(
    id="deleteBatch",
    summary="Cancel or delete a batch",
    message=CANCELLED,
    other_messages=(DELETED,),
    description=(
        "An unfinished batch is cancelled: its unfinished images do not count. "
        "A batch that has ended is deleted with its images."
    ),
)


@router.delete("/{batch_id}")
@DELETE_BATCH.describes
async def delete_batch(batch_id: BatchId, caller: BatchDeleter) -> Message:
    response = await caller.images.DeleteBatch(pb.DeleteBatchRequest(id=batch_id))
    return Message(message=CANCELLED if response.cancelled else DELETED)
