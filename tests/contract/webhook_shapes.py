"""Webhooks, deliveries and secrets as JSON Schema, as `shapes` has the other objects."""

from tests.contract.shapes import (
    ADDRESS,
    COUNT,
    FLAG,
    ID,
    INSTANT,
    TEXT,
    Schema,
    a,
    an_object,
    listed,
    or_null,
)

EVENT_TYPE: Schema = {
    "enum": [
        *(f"image.{each}" for each in ("accepted", "completed", "failed", "expired", "deleted")),
        *(f"batch.{each}" for each in ("accepted", "completed", "partially_failed", "failed", "cancelled")),
        "webhook.test",
        "webhook.disabled",
    ]
}
SECRET = a("string", pattern=r"^whsec_[A-Za-z0-9+/]{32,88}={0,2}$")
WEBHOOK = an_object(
    {
        "id": ID,
        "url": ADDRESS,
        "types": listed(EVENT_TYPE),
        "description": a("string"),
        "is_enabled": FLAG,
        "disabled_reason": or_null({"enum": ["gone", "failing"]}),
        "failing_since": or_null(INSTANT),
        "previous_secret_expires_at": or_null(INSTANT),
        "created_at": INSTANT,
        "updated_at": INSTANT,
    }
)
WEBHOOKS = an_object({"webhooks": listed(WEBHOOK), "count": COUNT})
NEW_WEBHOOK = an_object({"webhook": WEBHOOK, "secret": SECRET})
SIGNING_SECRET = an_object({"secret": SECRET, "previous_secret_expires_at": or_null(INSTANT)})
DELIVERY = an_object(
    {
        "id": ID,
        "webhook_id": or_null(ID),
        "event_id": TEXT,
        "type": EVENT_TYPE,
        "status": {"enum": ["waiting", "delivered", "failed"]},
        "attempts": COUNT,
        "next_attempt_at": or_null(INSTANT),
        "last_attempt_at": or_null(INSTANT),
        "status_code": or_null(a("integer", minimum=100, maximum=999)),
        "milliseconds": or_null(COUNT),
        "answer": or_null(a("string", maxLength=2048)),
        "error": or_null(TEXT),
        "image_id": or_null(ID),
        "batch_id": or_null(ID),
        "created_at": INSTANT,
    }
)
