"""What a picture is between its file and the model: plain pixels of 8 or 16 bits, upright.

Colour is never premultiplied by alpha. An alpha channel that hides nothing is not stored, but remembered,
so that the result has the channels of the file it came from.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

Pixels = npt.NDArray[Any]
"""Samples of 8 or 16 bits (uint8, uint16)."""
Size = tuple[int, int]
"""Width and height, in that order as in Pillow; arrays have them the other way round."""
LARGEST_16_BIT = 65_535
"""The largest sample of 16 bits: white, or opaque."""
Format = Literal["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of a picture ahead of its rows."""

    width: int
    height: int
    channels: int
    """1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""
    depth: int = 8
    """Bits a sample: 8 or 16."""
    icc: bytes | None = None
    exif: bytes | None = None
    """A TIFF structure, without the `Exif` that JPEG puts ahead of it."""

    @property
    def is_grey(self) -> bool:
        return self.channels < 3

    @property
    def has_alpha(self) -> bool:
        return self.channels in (2, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    pixels: Pixels
    """Height x width x 3 in RGB order, or x 1 for grey."""
    source_format: Format
    alpha: Pixels | None = None
    """Height x width; None where every pixel is opaque."""
    has_alpha: bool = False
    """True as well where the file's alpha channel was opaque everywhere."""
    is_lossless: bool = True
    """How the source was compressed; decides between the two kinds of WebP."""
    jpeg_quality: int | None = None
    """As its quantisation tables tell, 1 to 100; None for what is no JPEG."""
    icc: bytes | None = None
    """A profile for the colour space of `pixels`, never for another."""
    exif: bytes | None = None
    """What the file told of itself, less its orientation and its thumbnail."""

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def size(self) -> Size:
        return self.width, self.height

    @property
    def is_grey(self) -> bool:
        return self.pixels.shape[2] == 1

    @property
    def depth(self) -> int:
        return self.pixels.dtype.itemsize * 8

    def header(self, size: Size) -> Header:
        """Of this picture, upscaled to `size`."""
        channels = self.pixels.shape[2] + self.has_alpha
        return Header(*size, channels, self.depth, self.icc, self.exif)


@dataclass(frozen=True, slots=True, eq=False)
class Animation:
    """Pictures of one size, one after the other; either all have an alpha channel or none."""

    frames: list[Picture]
    milliseconds: list[int]
    """How long each frame is seen."""
    loop: int | None
    """How often it is played, 0 for ever; None: once."""
