"""Converts rows to protobuf, and announcements from it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from common import timestamps
from imagefile.formats import parse_format
from images.catalogue import AUTO
from images.domain import fairness, previews
from images.domain.models import ModelFacts
from images.domain.queue_estimate import Queue
from images.settings import Settings
from images.tables import UNFINISHED_BATCH, Batch, BatchStatus, Image, Status
from images.uploads import file_names
from loupe.billing.v1 import billing_pb2
from loupe.contract import SCALE_FACTORS
from loupe.images.v1 import images_pb2 as pb

STATUS = {
    Status.PENDING: pb.STATUS_PENDING,
    Status.PROCESSING: pb.STATUS_PROCESSING,
    Status.COMPLETED: pb.STATUS_COMPLETED,
    Status.FAILED: pb.STATUS_FAILED,
}
STATUS_FROM_PROTO = {number: status for status, number in STATUS.items()}
BATCH_STATUS = {
    BatchStatus.PENDING: pb.BATCH_STATUS_PENDING,
    BatchStatus.PROCESSING: pb.BATCH_STATUS_PROCESSING,
    BatchStatus.COMPLETED: pb.BATCH_STATUS_COMPLETED,
    BatchStatus.PARTIALLY_FAILED: pb.BATCH_STATUS_PARTIALLY_FAILED,
    BatchStatus.FAILED: pb.BATCH_STATUS_FAILED,
    BatchStatus.CANCELLED: pb.BATCH_STATUS_CANCELLED,
}
BATCH_STATUS_FROM_PROTO = {number: status for status, number in BATCH_STATUS.items()}


def to_proto(
    image: Image,
    queue: Queue | None = None,
    link: tuple[str, datetime] | None = None,
    original_url: str = "",
    shown: pb.Previews | None = None,
) -> pb.Image:
    """Convert an image, with an estimate if `queue` is given, and with the links of its previews.

    `link` is the address of the download and the time at which it expires.
    """
    result = pb.Image(
        id=image.id or 0,
        original_filename=image.original_filename,
        original_path=image.original_path if image.has_file else "",
        original_bytes=image.original_bytes,
        original_size=pb.Size(width=image.original_width, height=image.original_height),
        status=STATUS[image.status],
        scale_factor=image.scale_factor or 0,
        target_width=image.target_width or 0,
        target_height=image.target_height or 0,
        processing_seconds=image.processing_seconds,
        queue_seconds=_queue_seconds(image),
        api_request=image.api_request,
        created_at=timestamps.to_proto(image.created_at),
        updated_at=timestamps.to_proto(image.updated_at),
        model=_model(image),
        progress=100 if image.status == Status.COMPLETED else image.progress,
        batch_id=image.batch_id or 0,
        result_format=pb.Format.Value(f"FORMAT_{image.upscaled_format}"),
        warnings=[pb.Warning(**each) for each in image.warnings or ()],
        expires_at=timestamps.to_proto(image.expires_at),
        original_url=original_url,
        webhook_url=image.webhook_url or "",
        reference=image.reference or "",
        previews=shown,
    )
    _add_estimate(result, image, queue)
    _add_end(result, image, link)
    return result


def _add_estimate(result: pb.Image, image: Image, queue: Queue | None) -> None:
    """Add what the queue knows about a waiting image. Fields that it does not know stay absent."""
    position = queue.position(image) if queue else None
    seconds = queue.seconds(image) if queue else None
    if position is not None:
        result.queue_position = position
    if seconds is not None:
        result.estimated_seconds = seconds


def _add_end(result: pb.Image, image: Image, link: tuple[str, datetime] | None) -> None:
    """Add the result of a completed image, or the failure of a failed one, and failures before a retry."""
    if link:
        result.download_url, expires_at = link
        result.download_expires_at.FromDatetime(expires_at)
    if image.status == Status.COMPLETED:
        result.upscaled_path = image.upscaled_path
        result.result_filename = file_names.for_result(
            image.original_filename, parse_format(image.upscaled_format)
        )
        result.upscaled_bytes = image.upscaled_bytes or 0
        result.upscaled_size.CopyFrom(pb.Size(width=image.upscaled_width, height=image.upscaled_height))
    if image.status == Status.FAILED:
        result.failure.CopyFrom(_failure(image))
    result.earlier_failures.extend(_earlier_failure(each) for each in image.earlier_failures or ())


def batch_to_proto(batch: Batch, images: Iterable[pb.Image]) -> pb.Batch:
    return pb.Batch(
        id=batch.id or 0,
        name=batch.name,
        status=BATCH_STATUS[batch.status],
        total_images=batch.total_images,
        completed_images=batch.completed_images,
        failed_images=batch.failed_images,
        scale_factor=batch.scale_factor or 0,
        target_width=batch.target_width or 0,
        target_height=batch.target_height or 0,
        images=images,
        created_at=timestamps.to_proto(batch.created_at),
        updated_at=timestamps.to_proto(batch.updated_at),
        completed_at=timestamps.to_proto(batch.completed_at),
        webhook_url=batch.webhook_url or "",
        fetching_images=batch.fetching_images if batch.status in UNFINISHED_BATCH else 0,
    )


def to_order(image: Image, settings: Settings) -> pb.WorkOrder:
    """Return the work order of an image.

    Its limits are never too low for the image, which may have been accepted while the settings were higher.
    """
    input_pixels = image.original_width * image.original_height
    output_pixels = image.upscaled_width * image.upscaled_height
    return pb.WorkOrder(
        image_id=image.id or 0,
        fence=image.attempt,
        original_path=image.original_path,
        upscaled_path=image.upscaled_path,
        size=pb.Size(width=image.upscaled_width, height=image.upscaled_height),
        format=pb.Format.Value(f"FORMAT_{image.upscaled_format}"),
        fit=pb.Fit.Value(f"FIT_{image.fit.upper()}"),
        quality=image.quality or 0,
        keeps_metadata=image.keeps_metadata,
        model=image.model_asked,
        precision=image.precision,
        largest_input_pixels=max(settings.largest_input_pixels, input_pixels),
        largest_output_pixels=max(
            settings.largest_output_pixels, settings.largest_animation_pixels, output_pixels
        ),
        work_megapixels=image.work_megapixels or 0,
        work_kind=image.work_kind or "",
        dpi=image.dpi or 0,
        denoise=image.denoise_asked,
        strength=image.strength_asked,
        fairness_key=fairness.key_of(image.user_id, settings.fairness_secret),
        pictures=image.pictures or 0,
        previews_path=previews.path_of(image),
    )


def fill_usage(response: pb.UpscaleResponse | pb.CreateBatchResponse, usage: billing_pb2.Usage) -> None:
    """Fill in the month's usage, also in the separate fields that gateways of the previous release read."""
    response.usage.CopyFrom(usage)
    response.quota_used, response.quota_version = usage.used, usage.version
    if usage.HasField("limit"):
        response.quota_limit = usage.limit


def model_to_proto(name: str, facts: ModelFacts) -> pb.ServedModel:
    return pb.ServedModel(
        name=name,
        description=facts.description,
        best_for=facts.best_for,
        is_default=name == AUTO,
        scales=facts.scales or SCALE_FACTORS,
        network=facts.network,
        source=facts.source,
        licence=facts.licence,
        title=facts.title,
        commercial_use=facts.commercial_use,
    )


def _model(image: Image) -> pb.Model:
    return pb.Model(
        asked=image.model_asked,
        used=image.model_used or "",
        reason=image.model_reason or "",
        message=image.model_message or "",
        denoise=image.denoise_used,
        strength=image.strength_used,
        precision=image.precision_used or "",
    )


def _failure(image: Image) -> pb.Failure:
    return pb.Failure(
        code=image.failure_code or "",
        message=image.failure_message or "",
        retryable=image.failure_retryable or False,
    )


def _earlier_failure(stored: dict[str, Any]) -> pb.EarlierFailure:
    return pb.EarlierFailure(
        failure=pb.Failure(code=stored["code"], message=stored["message"], retryable=stored["retryable"]),
        attempts=stored["attempts"],
        failed_at=timestamps.to_proto(datetime.fromisoformat(stored["failed_at"])),
    )


def _queue_seconds(image: Image) -> float | None:
    queued_at = image.retried_at or image.created_at
    return (image.started_at - queued_at).total_seconds() if image.started_at else None
