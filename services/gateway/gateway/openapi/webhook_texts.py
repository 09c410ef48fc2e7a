"""Describes webhooks and their deliveries: objects, bodies, fields and examples."""

from typing import Any

from gateway.openapi.schema_parts import a_field
from loupe.contract import WEBHOOK_EVENTS

Json = dict[str, Any]
DAY = "2026-02-15T12:00:00.000000Z"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw4jC3rRJjHwI="  # noqa: S105  an example
URL = "https://example.com/loupe"
WEBHOOK: Json = {
    "id": 5,
    "url": URL,
    "types": ["image.completed", "image.failed"],
    "description": "Our shop",
    "is_enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "previous_secret_expires_at": None,
    "created_at": DAY,
    "updated_at": DAY,
}
DELIVERY: Json = {
    "id": 88,
    "webhook_id": 5,
    "event_id": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    "type": "image.completed",
    "status": "delivered",
    "attempts": 1,
    "next_attempt_at": None,
    "last_attempt_at": DAY,
    "status_code": 204,
    "milliseconds": 61,
    "answer": "",
    "error": None,
    "image_id": 42,
    "batch_id": None,
    "created_at": DAY,
}
OBJECTS: Json = {
    "Delivery": "One event for one address, and how the last attempt ended.",
    "NewWebhook": "A new webhook and its secret, which is shown only this once.",
    "SigningSecret": "A secret that signs deliveries.",
    "Webhook": "An address of yours that gets events.",
    "Webhooks": "All of your webhooks.",
}
BODIES: Json = {
    "SecretChange": "The secret that is used from now on. Empty: Loupe makes one.",
    "WebhookChanges": "The fields that change.",
    "WebhookRequest": "The address of a new webhook, and the events that it gets.",
}
_TYPES = a_field("The types of events that it gets. Empty means all.", ["image.completed"], uniqueItems=True)
_SECRET = a_field("The secret: `whsec_` and base64.", SECRET)
_OWN_SECRET = a_field("Your own secret: `whsec_` and the base64 of 24 to 64 bytes.", SECRET)
_DESCRIPTION = a_field("A label for people.", "Our shop", maxLength=255)
_ENABLED = a_field("Whether it gets events.", True)
REQUEST_FIELDS: Json = {
    "url": a_field(
        "The address, which must be on the public internet and begin with https://.",
        URL,
        format="uri",
        maxLength=2048,
    ),
    "types": _TYPES,
    "description": _DESCRIPTION,
    "is_enabled": _ENABLED,
    "secret": _OWN_SECRET,
}
PARAMETERS: Json = {
    "webhook_id": {"description": "The id of the webhook.", "example": 5},
    "delivery_id": {"description": "The id of the delivery.", "example": 88},
    "listDeliveries.status": {
        "description": "Only deliveries in this state. By default all.",
        "example": "failed",
    },
    "type": {"description": "Only events of this type. By default all.", "example": "image.completed"},
}


def _instant(description: str, example: Any) -> Json:
    return a_field(description, example, format="date-time")


ANSWER_FIELDS: Json = {
    "webhook": {"description": "The webhook, as in the list."},
    "webhooks": {"description": "The webhooks, newest first."},
    "Webhook.id": a_field("The id of the webhook.", 5),
    "url": a_field("The address.", URL, format="uri"),
    "types": _TYPES,
    "Webhook.description": _DESCRIPTION,
    "is_enabled": _ENABLED,
    "disabled_reason": a_field(
        "Why Loupe disabled it: `gone` (it answered 410) or `failing` (five days of failures); else null.",
        None,
    ),
    "failing_since": _instant("When the first failure since the last success was; null if none.", None),
    "previous_secret_expires_at": _instant(
        "Until when the secret before this one signs too; null if there is none.", None
    ),
    "NewWebhook.secret": _SECRET,
    "SigningSecret.secret": _SECRET,
    "Delivery.id": a_field("The id of the delivery.", 88),
    "Delivery.webhook_id": a_field(
        "The id of the webhook; null if an upload named the address as `webhook_url`.", 5
    ),
    "event_id": a_field("The header `webhook-id`, the same for each attempt.", DELIVERY["event_id"]),
    "Delivery.type": a_field("The type of the event.", WEBHOOK_EVENTS[1]),
    "Delivery.status": a_field("The state of the delivery.", "delivered"),
    "attempts": a_field("How often it was attempted since it was added or replayed.", 1, minimum=0),
    "next_attempt_at": _instant("When the next attempt is due; null if there is none.", None),
    "last_attempt_at": _instant("When the last attempt ended; null before the first.", DAY),
    "status_code": a_field("The status of the last answer; null without an answer.", 204),
    "milliseconds": a_field("How long the last attempt took; null before the first.", 61, minimum=0),
    "answer": a_field("The first 2 KB of the last answer; null before the first attempt.", ""),
    "Delivery.error": a_field(
        "Why the last attempt got no answer, for programs, such as `too_slow`; else null.", None
    ),
    "Delivery.image_id": a_field("The id of the image that the event is about; else null.", 42),
    "Delivery.batch_id": a_field("The id of the batch that it is about, or of the image's batch.", None),
}
