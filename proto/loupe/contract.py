"""Names and limits of the REST contract that several services need."""

ABILITIES = ("images:read", "images:write", "images:delete", "user:read")
"""All abilities that an API token can have."""

SCALE_FACTORS = (2, 3, 4)
LONGEST_OUTPUT_SIDE = 16_384
"""Limit for the longer side of a result, in pixels."""
LARGEST_UPLOAD_BYTES = 10_485_760
"""Limit for one uploaded file, in bytes, inclusive."""
MOST_BATCH_IMAGES = 20
"""Limit for the number of files in one multipart batch."""
