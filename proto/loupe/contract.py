"""Names and limits of the REST contract that several services need."""

ABILITIES = ("images:read", "images:write", "images:delete", "user:read")
"""All abilities that an API token can have."""

ADMIN = "admin"
"""The ability of an operator's session of the console. No API token has it."""
OPERATOR = "operator"
"""The role of users who run the installation."""

SCALE_FACTORS = (2, 3, 4)
LONGEST_OUTPUT_SIDE = 16_384
"""Limit for the longer side of a result, in pixels."""
LARGEST_UPLOAD_BYTES = 10_485_760
"""Limit for one uploaded file, in bytes, inclusive."""
PREVIEWS = ("original.webp", "result.webp", "original.pyramid", "result.pyramid")
"""The objects that an image may have for browsers, by the ends of their keys."""
MOST_BATCH_IMAGES = 20
"""Limit for the number of files in one multipart batch."""
MOST_MANIFEST_ITEMS = 1000
"""Limit for the number of items in one manifest."""
LONGEST_REFERENCE = 255
"""Limit for the characters of an item's reference."""

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header by which a client repeats a request that must take effect once."""
IDEMPOTENCY_KEY_METADATA = "idempotency-key"
"""The name of the same text in the metadata of gRPC calls."""
QUOTA_USED_UP_METADATA = "quota-used-up"
"""The metadata by which the gateway says that only a repeat can be answered. Its value does not matter."""

IMAGE_ENDINGS = ("image.completed", "image.failed", "image.expired", "image.deleted")
BATCH_ENDINGS = ("batch.completed", "batch.partially_failed", "batch.failed", "batch.cancelled")
STORED_EVENTS = (
    "image.accepted", "image.processing", *IMAGE_ENDINGS, "batch.accepted", *BATCH_ENDINGS
)  # fmt: skip
"""The types of events that the stream CLIENT_EVENTS keeps."""
PASSING_EVENTS = ("image.progress", "batch.progress")
"""The types of events that no stream keeps. One that is not received at once is lost."""
UPLOAD_ENDINGS = ("image.completed", "image.failed", *BATCH_ENDINGS)
"""The types of events that the `webhook_url` of an upload gets: how the work on it ended."""
WEBHOOK_TEST, WEBHOOK_DISABLED = "webhook.test", "webhook.disabled"
EVENT_TYPES = (*STORED_EVENTS, *PASSING_EVENTS, WEBHOOK_DISABLED)
"""All types of events that event streams have."""
WEBHOOK_EVENTS = (
    "image.accepted", *IMAGE_ENDINGS, "batch.accepted", *BATCH_ENDINGS, WEBHOOK_TEST, WEBHOOK_DISABLED
)  # fmt: skip
"""The types of events that webhooks get. What happens often goes to event streams only."""
MOST_WEBHOOKS = 20
"""Limit for the number of webhooks of a user."""
