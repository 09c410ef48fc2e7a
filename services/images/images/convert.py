"""Rows to protobuf."""

from collections.abc import Iterable
from datetime import datetime

from common import timestamps
from images.catalogue import AUTO
from images.domain.models import Facts, Offer
from images.domain.queue_estimate import Queue
from images.formats.formats import Format
from images.tables import Batch, BatchStatus, Image, Status
from images.uploads import sizing
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


def to_proto(image: Image, queue: Queue | None = None, link: tuple[str, datetime] | None = None) -> pb.Image:
    """`queue` tells how long it waits; `link` is the download's address and when it expires."""
    result = pb.Image(
        id=image.id or 0,
        original_filename=image.original_filename,
        original_path=image.original_path,
        original_bytes=image.original_bytes,
        original_size=pb.Size(width=image.original_width, height=image.original_height),
        status=STATUS[image.status],
        scale_factor=image.scale_factor or 0,
        target_width=image.target_width or 0,
        target_height=image.target_height or 0,
        processing_seconds=image.processing_seconds,
        queue_seconds=_queued(image),
        api_request=image.api_request,
        created_at=timestamps.to_proto(image.created_at),
        updated_at=timestamps.to_proto(image.updated_at),
        model=_model(image),
        progress=100 if image.status == Status.COMPLETED else image.progress,
        batch_id=image.batch_id or 0,
        queue_position=queue.position(image) if queue else None,
        estimated_seconds=queue.seconds(image) if queue else None,
    )
    if image.status == Status.COMPLETED:
        result.upscaled_path = image.upscaled_path
        result.upscaled_bytes = image.upscaled_bytes or 0
        result.upscaled_size.CopyFrom(pb.Size(width=image.upscaled_width, height=image.upscaled_height))
    if image.status == Status.FAILED:
        result.failure.CopyFrom(_failure(image))
    if link:
        result.download_url = link[0]
        result.download_expires_at.FromDatetime(link[1])
    return result


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
    )


def to_order(image: Image) -> pb.WorkOrder:
    return pb.WorkOrder(
        image_id=image.id or 0,
        fence=image.attempt,
        original_path=image.original_path,
        upscaled_path=image.upscaled_path,
        size=pb.Size(width=image.upscaled_width, height=image.upscaled_height),
        format=pb.Format.Value(f"FORMAT_{Format(image.upscaled_format).name}"),
        fit=pb.Fit.Value(f"FIT_{image.fit.upper()}"),
        quality=image.quality or 0,
        keeps_metadata=image.keeps_metadata,
        model=image.model_asked,
        request_id=image.request_id,
        trace_parent=image.trace_parent,
    )


def model_to_proto(name: str, facts: Facts) -> pb.ServedModel:
    return pb.ServedModel(
        name=name,
        description=facts.description,
        best_for=facts.best_for,
        is_default=name == AUTO,
        scales=facts.scales or range(sizing.SCALES[0], sizing.SCALES[1] + 1),
        network=facts.network,
        source=facts.source,
        licence=facts.licence,
    )


def offer_from_proto(offer: pb.AnnounceModelsRequest.Offer) -> Offer:
    facts = Facts(
        offer.description, offer.best_for, offer.network, offer.source, offer.licence, list(offer.scales)
    )
    return Offer(offer.name, list(offer.nets), facts if offer.description else None)


def _model(image: Image) -> pb.Model:
    return pb.Model(
        asked=image.model_asked,
        used=image.model_used or "",
        reason=image.model_reason or "",
        message=image.model_message or "",
    )


def _failure(image: Image) -> pb.Failure:
    return pb.Failure(
        code=image.failure_code or "",
        message=image.failure_message or "",
        retryable=image.failure_retryable or False,
    )


def _queued(image: Image) -> float | None:
    return (image.started_at - image.created_at).total_seconds() if image.started_at else None
