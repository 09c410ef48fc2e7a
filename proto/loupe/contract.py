"""Numbers and names of the REST contract on which several services must agree.

The generated code beside this module says how services talk; this module says what they take for granted.
"""

ABILITIES = ("images:read", "images:write", "images:delete", "user:read")
"""Everything that a bearer token can be allowed to do."""

SCALE_FACTORS = (2, 3, 4)
LONGEST_OUTPUT_SIDE = 16_384
"""Pixels of the longer side of a result."""
LARGEST_UPLOAD_BYTES = 10_485_760
"""Bytes of one uploaded file, inclusive."""
MOST_BATCH_IMAGES = 20
"""Files in one multipart batch."""
