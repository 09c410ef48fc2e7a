"""What the decoding child says ahead of the pixels: a length, and JSON of so many bytes."""

import struct
from typing import TypedDict

LENGTH = struct.Struct(">Q")
TOKEN_BYTES = 16
"""Sent ahead of each file, and said again behind its answer, so that nothing a file made the child write too
much is taken for the answer to the next.
"""


class Answer(TypedDict):
    """Goes ahead of the pixels, the alpha channel, the profile and the EXIF data, in this order.

    With a `depth` of 16, alpha is the last of the pixels' channels, and they are yet to be turned upright.
    """

    width: int
    height: int
    channels: int
    depth: int
    orientation: int
    format: str
    has_alpha: bool
    alpha_follows: bool
    is_lossless: bool
    jpeg_quality: int | None
    icc_bytes: int
    exif_bytes: int
    milliseconds: list[int]
    """Of each frame; empty for a still picture."""
    loop: int | None


class Refusal(TypedDict):
    reason: str
    message: str
