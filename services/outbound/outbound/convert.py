"""Rows as messages of the contract."""

from common import timestamps
from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.tables import AccountSecret, Delivery, Status, Webhook


def to_webhook(row: Webhook) -> pb.Webhook:
    return pb.Webhook(
        id=row.id or 0,
        url=row.url,
        types=row.types,
        description=row.description,
        is_enabled=row.is_enabled,
        disabled_reason=row.disabled_reason or "",
        failing_since=timestamps.to_proto(row.failing_since),
        created_at=timestamps.to_proto(row.created_at),
        updated_at=timestamps.to_proto(row.updated_at),
        previous_secret_expires_at=timestamps.to_proto(row.previous_secret_expires_at),
    )


def to_secret(row: Webhook | AccountSecret, text: str) -> pb.Secret:
    return pb.Secret(text=text, previous_expires_at=timestamps.to_proto(row.previous_secret_expires_at))


def to_delivery(row: Delivery) -> pb.Delivery:
    return pb.Delivery(
        id=row.id or 0,
        webhook_id=row.webhook_id,
        event_id=row.event_id,
        type=row.type,
        status=row.status,
        attempts=row.attempts,
        next_attempt_at=timestamps.to_proto(row.due_at) if row.status == Status.WAITING else None,
        status_code=row.status_code,
        milliseconds=row.milliseconds,
        answer=row.answer,
        error=row.error or "",
        last_attempt_at=timestamps.to_proto(row.last_attempt_at),
        created_at=timestamps.to_proto(row.created_at),
        image_id=row.image_id or 0,
        batch_id=row.batch_id or 0,
    )
