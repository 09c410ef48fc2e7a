"""Retries: failed images are queued again, one alone or all of a batch."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.http.envelope import Envelope
from gateway.identity.route_access import BatchWriter, ImageWriter
from gateway.openapi import examples
from gateway.openapi.operation import Links, Operation
from gateway.routes import submissions, waits
from gateway.routes.batches import GET_BATCH, BatchId
from gateway.routes.images import GET_IMAGE, ImageId
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb
from rest.batches import Batch, BatchImage, to_batch, to_batch_images
from rest.images import Image, to_image

router = APIRouter()
REFUSALS = (
    refusals.VALIDATION_FAILED,
    refusals.NOTHING_TO_RETRY,
    refusals.TOO_MANY_WAITS,
    refusals.TOO_MANY_UNDECODABLE,
    *submissions.REFUSALS,
)
BATCH_SECONDS = 60.0
"""Deadline of a retry of a batch, which looks for the originals of its images one by one."""

RETRY_IMAGE = Operation(
    id="retryImage",
    summary="Retry a failed image",
    message="Image queued for another try",
    description=(
        "The image keeps its id and its options, and takes a place in this month's quota. "
        "`error.retryable` says whether a retry may succeed."
    ),
    example_data=examples.RETRIED,
    refusals=(*REFUSALS, refusals.NOT_RETRYABLE, refusals.ORIGINAL_MISSING),
    waits_for="getImage",
    links=Links(("getImage", "downloadImage", "deleteImage"), "image_id"),
)


@router.post(
    "/api/images/{image_id}/retry",
    status_code=202,
    tags=["images"],
    response_model=Envelope[Image],
    responses={200: {"model": Envelope[Image]}},
)
@RETRY_IMAGE.describes
async def retry_image(
    request: Request,
    image_id: ImageId,
    caller: ImageWriter,
    idempotency_key: submissions.Key = None,
    prefer: waits.Prefer = None,
) -> Envelope[Image] | JSONResponse:
    with waits.admitted(request, caller, waits.preferred_seconds(request)) as wait:
        api_request = not caller.is_console_session
        retry = pb.RetryImageRequest(id=image_id, api_request=api_request)
        metadata = submissions.metadata_of(request, caller)
        response = await caller.images.RetryImage(retry, metadata=metadata)
        submissions.describe_usage(request, caller, response)
        if image := await wait.until_new_one_ended(waits.IMAGE, image_id):
            return JSONResponse(GET_IMAGE.answer(to_image(image)).model_dump(mode="json"))
    if not response.replayed:  # its estimate is old
        waits.advise_when_to_poll(request, waits.IMAGE, response.image)
    return RETRY_IMAGE.answer(to_image(response.image))


RETRY_BATCH = Operation(
    id="retryBatch",
    summary="Retry the failed images of a batch",
    message="Failed images queued for another try",
    description=(
        "Retries all failed images that can be retried, also those of a cancelled batch, or none if the "
        "quota is too small for all. The batch is `processing` again."
    ),
    example_data=examples.RETRIED_BATCH,
    refusals=REFUSALS,
    waits_for="getBatch",
    links=Links(("getBatch", "deleteBatch"), "batch_id"),
)


@router.post(
    "/api/batches/{batch_id}/retry",
    status_code=202,
    tags=["batches"],
    response_model=Envelope[Batch[BatchImage]],
    responses={200: {"model": Envelope[Batch[BatchImage]]}},
)
@RETRY_BATCH.describes
async def retry_batch(
    request: Request,
    batch_id: BatchId,
    caller: BatchWriter,
    idempotency_key: submissions.Key = None,
    prefer: waits.Prefer = None,
) -> Envelope[Batch[BatchImage]] | JSONResponse:
    with waits.admitted(request, caller, waits.preferred_seconds(request)) as wait:
        retry = pb.RetryBatchRequest(id=batch_id, api_request=not caller.is_console_session)
        metadata = submissions.metadata_of(request, caller)
        response = await caller.images.RetryBatch(retry, timeout=BATCH_SECONDS, metadata=metadata)
        submissions.describe_usage(request, caller, response)
        if batch := await wait.until_new_one_ended(waits.BATCH, batch_id):
            ended = GET_BATCH.answer(to_batch(batch, to_batch_images(batch)))
            return JSONResponse(ended.model_dump(mode="json"))
    if not response.replayed:
        waits.advise_when_to_poll(request, waits.BATCH, response.batch)
    return RETRY_BATCH.answer(to_batch(response.batch, to_batch_images(response.batch)))
