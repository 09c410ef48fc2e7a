"""Turns samples of any kind into what a WebP holds: RGB of 8 bits, with alpha if the picture has it.

A short profile of RGB stays as it is. A long one would be in each tile again, and WebP has no grey for a
profile of grey, so such colours are converted to sRGB.
"""

import io
from contextlib import suppress

import numpy as np
from PIL import Image, ImageCms

from inference.encoding.writer import to_eight_bits
from inference.picture import Header, Pixels
from inference.resampling import as_image

LONGEST_PROFILE = 4096
"""Bytes. Profiles of screens and cameras with curves and three primaries are shorter."""
ROWS_AT_ONCE = 64
"""Rows of 16 bits are converted in pieces of this height, because that takes four bytes a sample."""


class Colours:
    """The conversion for one picture. It may be used by several threads."""

    def __init__(self, header: Header) -> None:
        self._is_grey = header.is_grey
        self._has_alpha = header.has_alpha
        icc = header.icc or b""
        self.icc = icc if not self._is_grey and len(icc) <= LONGEST_PROFILE else b""
        """The profile of the converted samples. Empty for sRGB."""
        self._to_srgb = _to_srgb(icc, is_grey=self._is_grey) if icc and not self.icc else None

    def convert(self, samples: Pixels) -> Image.Image:
        """Return rows, height x width x channels with alpha last, in the mode RGB or RGBA."""
        eight = _reduce_depth(samples)
        colour = as_image(eight[:, :, :-1] if self._has_alpha else eight)
        if self._to_srgb:
            colour = ImageCms.applyTransform(colour, self._to_srgb) or colour
        colour = colour.convert("RGB")
        if self._has_alpha:
            colour.putalpha(as_image(eight[:, :, -1:]))
        return colour


def _reduce_depth(samples: Pixels) -> Pixels:
    if samples.dtype == np.uint8:
        return samples
    pieces = [
        to_eight_bits(samples[top : top + ROWS_AT_ONCE]) for top in range(0, len(samples), ROWS_AT_ONCE)
    ]
    return np.concatenate(pieces)


def _to_srgb(icc: bytes, *, is_grey: bool) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion, or None if LittleCMS cannot read the profile. Browsers ignore it then, too."""
    with suppress(ImageCms.PyCMSError, OSError):
        return ImageCms.buildTransform(
            io.BytesIO(icc),
            ImageCms.createProfile("sRGB"),
            "L" if is_grey else "RGB",
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    return None
