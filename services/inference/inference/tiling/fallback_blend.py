"""Blends in the fallback network's result where the first network is uncertain.

SPAN fails on small text, single lines and dithering, and marks these pixels of the original in its
uncertainty map. Marked places are widened and softened, so that neither the surroundings of a failure nor the
border between the two results can be seen.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inference.picture import Pixels
from inference.tiling.tiles import Box

WIDEN = 25
"""Side of the square around an uncertain pixel that the fallback replaces, in pixels of the original."""
SOFTEN = 3.0
"""Standard deviation of the blur that softens the blend's edge, in pixels of the original."""
REACH = 32
"""An uncertain pixel has an effect so far: half of WIDEN, and the softened edge until it reaches zero."""


class BlendWeight(NamedTuple):
    """The share of the fallback's result in each pixel of some rows, 0 to 255."""

    image: Image.Image
    top: int
    """The image's first row in the picture. The image has one row more than requested on either side, if the
    picture has one: then the results of neighbouring rows join without a seam.
    """

    def is_needed(self, box: Box) -> bool:
        """Return whether the fallback changes anything in this part of the picture."""
        return self._with_border(box).getbbox() is not None

    def needed(self, box: Box) -> NDArray[np.bool_]:
        """Return which pixels in this part of the picture the fallback changes, height x width."""
        widened = self._with_border(box).filter(ImageFilter.MaxFilter(3))
        return np.asarray(widened)[1:-1, 1:-1] > 0

    def enlarged(self, box: Box, scale: int) -> Image.Image:
        """Return the weight of this part of the picture at the network's scale."""
        size = (box.width * scale, box.height * scale)
        return self.image.resize(size, Image.Resampling.BILINEAR, box.moved_up(self.top))

    def _with_border(self, box: Box) -> Image.Image:
        """Return the weight of this part of the picture, and of one pixel around it."""
        own = box.moved_up(self.top)
        return self.image.crop((own.left - 1, own.top - 1, own.right + 1, own.bottom + 1))


def blend_weight(uncertainty: Pixels, top: int, bottom: int) -> BlendWeight | None:
    """Return the weight for the rows from `top` to `bottom`, or None if the network is certain of all of
    them.

    `uncertainty` is the map of the whole picture, height x width. It must be complete up to REACH beyond the
    rows.
    """
    first, last = max(0, top - REACH), min(len(uncertainty), bottom + REACH)
    if not uncertainty[first:last].any():
        return None
    widened = Image.fromarray(uncertainty[first:last]).filter(ImageFilter.MaxFilter(WIDEN))
    softened = widened.filter(ImageFilter.GaussianBlur(SOFTEN))
    above, below = max(0, top - 1), min(len(uncertainty), bottom + 1)
    return BlendWeight(softened.crop((0, above - first, uncertainty.shape[1], below - first)), above)


def blend(native: Pixels, top: int, fallback: Pixels, weight: BlendWeight, box: Box, scale: int) -> None:
    """Blend the fallback's result for `box` into `native`, which begins at the picture's row `top`.

    Both are height x width x channels at the same scale.
    """
    wide = np.uint32 if native.dtype == np.uint16 else np.uint16
    share = np.asarray(weight.enlarged(box, scale), wide)[:, :, np.newaxis]
    rows = slice((box.top - top) * scale, (box.bottom - top) * scale)
    place = native[rows, box.left * scale : box.right * scale]
    place[:] = (place * (255 - share) + fallback * share + 127) // 255
