"""The answers of the decoding child, and its limits.

`confinement.protocol` says how requests and answers travel. The parts that a header announces follow it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, NotRequired, TypedDict

ICC_BYTES = 4 << 20
"""The longest colour profile that is passed on."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources that the child may use for one file."""

    pixels: int = 50_000_000
    memory_bytes: int = 1536 << 20
    """Address space of the child. At the limit of pixels a WebP takes 813 MB. The most expensive kind
    is a TIFF of 16 bits with alpha, compressed by LZMA or in tiled planes: 888 MB.
    """
    cpu_seconds: int = 30
    """Processor time for one file."""

    def for_pixels(self, pixels: int) -> "Limits":
        """Return the limits for files of up to `pixels`; 0 changes nothing.

        For more pixels than usual, memory and time grow in proportion. They never shrink.
        """
        factor = max(1.0, pixels / self.pixels)
        memory, seconds = math.ceil(self.memory_bytes * factor), math.ceil(self.cpu_seconds * factor)
        return Limits(pixels or self.pixels, memory, seconds)


class DecodedHeader(TypedDict):
    """The header of a picture. Pixels, alpha channel, colour profile and EXIF data follow in this order.

    With a `depth` of 16, alpha is the last of the pixels' channels, and the worker turns the picture upright.
    Frames of an animation follow each other, each with its pixels and its alpha channel.
    """

    width: int
    height: int
    channels: int
    depth: int
    bits: NotRequired[int]
    """Bits of a sample in the file, if they are fewer than `depth`. They are the upper ones."""
    orientation: int
    """As in EXIF. 1 if the picture is upright already."""
    format: str
    has_alpha: bool
    alpha_follows: bool
    """False if every pixel is opaque."""
    is_lossless: bool
    jpeg_quality: int | None
    icc_bytes: int
    exif_bytes: int
    milliseconds: list[int]
    """The duration of each frame. Empty for a still picture."""
    loop: int | None
    dpi: list[float] | None
    """Pixels an inch, across and down. None if unknown."""


class Refusal(TypedDict):
    """The header of an answer about a file that cannot be decoded."""

    reason: str
    """See `Undecodable.reason`."""
    message: str


class Decoded(NamedTuple):
    """A picture on its way to the worker."""

    header: DecodedHeader
    parts: Iterable[bytes]
    """They are made one after the other, so that the picture is not copied as a whole."""
