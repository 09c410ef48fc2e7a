"""A picture between its file and the model: upright pixels of 8 or 16 bits a sample.

Colour is never premultiplied by alpha. If every pixel is opaque, the alpha channel is dropped,
and `has_alpha` records that the file has one, so that the result has the same channels as its original.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from imagefile.formats import Format

Pixels = npt.NDArray[Any]
"""Samples of 8 or 16 bits (uint8, uint16)."""
Size = tuple[int, int]
"""Width and height, in the order of Pillow. Arrays have the height first."""
LARGEST_16_BIT = 65_535
"""The largest sample of 16 bits: white, or opaque."""


@dataclass(frozen=True, slots=True)
class Header:
    """The facts about a picture that an encoder needs before its first row."""

    width: int
    height: int
    channels: int
    """1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""
    depth: int = 8
    """Bits a sample: 8 or 16."""
    icc: bytes | None = None
    exif: bytes | None = None
    """A TIFF structure, without the `Exif` that JPEG puts ahead of it."""
    dpi: tuple[float, float] | None = None
    """Pixels an inch, across and down, as in the original."""
    bits: int = 0
    """Bits of a sample in the original, if they are fewer than `depth`; 0 if they are not."""

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
    """Height x width. None if every pixel is opaque."""
    has_alpha: bool = False
    """Whether the file has an alpha channel, even if every pixel is opaque."""
    is_lossless: bool = True
    """Whether the original was compressed without loss. If so, a WebP result is lossless too."""
    jpeg_quality: int | None = None
    """1 to 100, estimated from the quantisation tables. None if the original is no JPEG."""
    icc: bytes | None = None
    """A colour profile that describes `pixels`."""
    exif: bytes | None = None
    """The metadata that may be kept, as a TIFF structure."""
    dpi: tuple[float, float] | None = None
    """Pixels an inch, across and down. None if the file does not say it."""
    bits: int = 0
    """Bits of a sample in the file, if they are fewer than `depth`; 0 if they are not."""

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
        """Return the header of this picture, upscaled to `size`."""
        channels = self.pixels.shape[2] + self.has_alpha
        return Header(*size, channels, self.depth, self.icc, self.exif, self.dpi, self.bits)


@dataclass(frozen=True, slots=True, eq=False)
class Animation:
    """Pictures of one size, shown one after the other. Either all have an alpha channel or none."""

    frames: list[Picture]
    milliseconds: Sequence[float]
    """How long each frame is shown. Only an animated PNG has fractions."""
    loop: int | None
    """How often the animation is played: 0 for ever, None once."""
    hidden: Picture | None = None
    """The still picture of an animated PNG that is none of its frames."""

    @property
    def count(self) -> int:
        """The number of pictures, the hidden one included."""
        return len(self.frames) + (self.hidden is not None)

    @property
    def first(self) -> Picture:
        """The picture that stands for the animation where it cannot be shown."""
        return self.hidden or self.frames[0]


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """Pictures of one file that are no animation. Each has its own size and its own depth."""

    pages: list[Picture]

    @property
    def count(self) -> int:
        return len(self.pages)

    @property
    def first(self) -> Picture:
        return self.pages[0]


def turn_upright(samples: Pixels, orientation: int) -> Pixels:
    """Return a view turned by its EXIF orientation (CIPA DC-008, 4.6.4). 5 to 8 swap width and height."""
    if orientation in (5, 6, 7, 8):
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples
