"""A webhook and its deliveries, as answers and events show them."""

from typing import Annotated, Any

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, Field

from loupe.contract import WEBHOOK_EVENTS
from loupe.outbound.v1 import outbound_pb2 as pb
from rest.choices import a_choice
from rest.values import format_time

EVENT_TYPE = a_choice("WebhookEventType", "The type of an event.", WEBHOOK_EVENTS)
EventType = Annotated[str, Field(json_schema_extra=EVENT_TYPE)]
DELIVERY_STATUSES = ("waiting", "delivered", "failed")
DELIVERY_STATUS = a_choice(
    "DeliveryStatus",
    "The state of a delivery: not delivered yet, delivered, or no attempt left.",
    DELIVERY_STATUSES,
)

DeliveryStatus = Annotated[str, Field(json_schema_extra=DELIVERY_STATUS)]


class Webhook(BaseModel):
    id: int
    url: str
    types: list[EventType]
    description: str
    is_enabled: bool
    disabled_reason: str | None
    failing_since: str | None
    previous_secret_expires_at: str | None
    created_at: str
    updated_at: str


class Delivery(BaseModel):
    id: int
    webhook_id: int | None
    event_id: str
    type: EventType
    status: DeliveryStatus
    attempts: int
    next_attempt_at: str | None
    last_attempt_at: str | None
    status_code: int | None
    milliseconds: int | None
    answer: str | None
    error: str | None
    image_id: int | None
    batch_id: int | None
    created_at: str


def to_webhook(webhook: pb.Webhook) -> Webhook:
    return Webhook(
        id=webhook.id,
        url=webhook.url,
        types=list(webhook.types),
        description=webhook.description,
        is_enabled=webhook.is_enabled,
        disabled_reason=webhook.disabled_reason or None,
        failing_since=_time(webhook.failing_since),
        previous_secret_expires_at=_time(webhook.previous_secret_expires_at),
        created_at=format_time(webhook.created_at),
        updated_at=format_time(webhook.updated_at),
    )


def webhook_data(webhook: pb.Webhook) -> dict[str, Any]:
    """Return what GET answers about the webhook."""
    return to_webhook(webhook).model_dump(mode="json")


def to_delivery(delivery: pb.Delivery) -> Delivery:
    return Delivery(
        id=delivery.id,
        webhook_id=delivery.webhook_id if delivery.HasField("webhook_id") else None,
        event_id=delivery.event_id,
        type=delivery.type,
        status=delivery.status,
        attempts=delivery.attempts,
        next_attempt_at=_time(delivery.next_attempt_at),
        last_attempt_at=_time(delivery.last_attempt_at),
        status_code=delivery.status_code if delivery.HasField("status_code") else None,
        milliseconds=delivery.milliseconds if delivery.HasField("milliseconds") else None,
        answer=delivery.answer if delivery.HasField("answer") else None,
        error=delivery.error or None,
        image_id=delivery.image_id or None,
        batch_id=delivery.batch_id or None,
        created_at=format_time(delivery.created_at),
    )


def _time(stamp: Timestamp) -> str | None:
    """Return None for a time that is absent, which a message returns as zero."""
    return format_time(stamp) if stamp.seconds else None
