"""The answers of the decoding child, and its limits.

`confinement.protocol` says how requests and answers travel. The option of a request says whether all pages
or frames are needed. The parts that a header announces follow it. If the header says that others follow, the
same comes for each of them, or a refusal.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, NotRequired, TypedDict

ICC_BYTES = 4 << 20
"""The longest colour profile that is passed on."""


START_SECONDS, SECONDS_PER_PIXEL = 5, 0.6e-6
"""Processor time for any file, as libraries must be loaded, and for each of its pixels."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources that the child may use for one file."""

    pixels: int = 50_000_000
    memory_bytes: int = 1536 << 20
    """Address space of the child. At the limit of pixels a WebP takes 813 MB. The most expensive kind
    is a TIFF of 16 bits with alpha, compressed by LZMA or in tiled planes: 888 MB.
    """
    cpu_seconds: int = 35
    """The most processor time for one file. `seconds_for` says how much a file of fewer pixels may use."""

    def for_pixels(self, pixels: int) -> "Limits":
        """Return the limits for files of up to `pixels`; 0 changes nothing.

        For more pixels than usual, memory and time grow in proportion. They never shrink.
        """
        factor = max(1.0, pixels / self.pixels)
        memory, seconds = math.ceil(self.memory_bytes * factor), math.ceil(self.cpu_seconds * factor)
        return Limits(pixels or self.pixels, memory, seconds)

    def seconds_for(self, pixels: int) -> int:
        """Return the processor time for a file of this size: 5 s, and 0.6 s for each megapixel.

        Decoders take up to a third of it for honest files, on a slow core.
        """
        return min(self.cpu_seconds, START_SECONDS + math.ceil(pixels * SECONDS_PER_PIXEL))


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
    """The orientation as EXIF numbers it. 1 if the picture is upright already."""
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
    follow: NotRequired[int]
    """How many other pages or frames follow this picture."""
    canvas: NotRequired["CanvasHeader"]
    """In the first header of an animated PNG, whose frames follow."""
    frame: NotRequired["FrameHeader"]
    """In the header of each of these frames."""


class CanvasHeader(TypedDict):
    """The values that all frames of an animated PNG share."""

    width: int
    """Pixels, before the orientation is applied."""
    height: int
    orientation: int
    plays: int
    """How often the animation is played: 0 for ever."""
    is_still_hidden: bool
    """Whether the first picture is no frame."""


class FrameHeader(TypedDict):
    """The place of a frame, and how it is drawn; see `imagefile.apng`."""

    left: int
    top: int
    milliseconds: float
    disposal: int
    blending: int


class Announcement(TypedDict):
    """The header that comes before all others, once the size of the file is known: see `cpu_budget`."""

    pixels: int


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
