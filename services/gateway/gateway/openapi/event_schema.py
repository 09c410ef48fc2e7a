"""The event of an event stream in the API's description."""

from typing import Any

from gateway.openapi import examples
from gateway.openapi.schema_parts import REFERENCE
from loupe.contract import EVENT_TYPES
from rest.choices import a_choice

Json = dict[str, Any]
EVENT_STREAM = "text/event-stream"
EVENT_TYPE = a_choice(
    "EventType",
    "The type of an event. `reset`: something was missed, so read your lists again. A cancelled image is "
    "`image.failed` with the code `cancelled`. The end of a batch comes after those of its images.",
    (*EVENT_TYPES, "reset"),
)
EVENT: Json = {
    "type": "object",
    "description": "The data of an event of `GET /api/events`.",
    "properties": {
        "type": {
            "$ref": f"{REFERENCE}EventType",
            "description": "The type of the event.",
            "examples": ["image.completed"],
        },
        "timestamp": {
            "type": "string",
            "format": "date-time",
            "description": "When it happened.",
            "examples": ["2026-02-15T12:00:42.000000Z"],
        },
        "data": {
            "type": ["object", "null"],
            "description": "The image or batch as GET answers it when the event is sent; a batch without its "
            "images. After a deletion only `id` and `deleted`. Null in `reset`.",
            "additionalProperties": True,
            "examples": [examples.IMAGE],
        },
    },
    "required": ["type", "timestamp", "data"],
}
