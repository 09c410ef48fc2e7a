"""What a picture is between its file and the model: plain 8-bit pixels, upright, without the file's metadata.

Colour is never premultiplied by alpha. An alpha channel that hides nothing is not stored, but remembered,
so that the result has the channels of the file it came from.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""Width and height, in that order as in Pillow; arrays have them the other way round."""
Format = Literal["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]


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
    icc: bytes | None = None
    """A profile for the colour space of `pixels`, never for another."""

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

    def samples(self, top: int, bottom: int) -> Pixels:
        """Some rows with all channels, alpha last, as files store them."""
        colour = self.pixels[top:bottom]
        if not self.has_alpha:
            return colour
        together = np.empty((*colour.shape[:2], colour.shape[2] + 1), np.uint8)
        together[:, :, :-1] = colour
        together[:, :, -1] = 255 if self.alpha is None else self.alpha[top:bottom]
        return together
