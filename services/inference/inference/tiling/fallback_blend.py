"""Where the photo model runs away (small text, single lines, dithering), the clean model takes its place.

The photo model tells its doubt for each pixel of the original. Doubtful places are widened and softened, so
that neither the failure's surroundings nor the border between the two can be seen.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from inference.picture import Pixels
from inference.tiling.tiles import Box

WIDEN = 25
"""Side of the square, in pixels of the original, that one doubtful pixel spoils."""
SOFTEN = 3.0
"""Standard deviation of the blend's edge, in pixels of the original."""
REACH = 32
"""How far doubt is felt: half of WIDEN, and where the softened edge has come to nothing."""


class Weight(NamedTuple):
    """How much of the clean model each pixel of some rows gets, 0 to 255."""

    image: Image.Image
    top: int
    """Its first row in the picture. One row more than was asked for, where there is one, on either side: what
    is made of these rows joins what is made of the next without a seam.
    """

    def is_needed(self, box: Box) -> bool:
        seen = box.lifted(self.top)
        return (
            self.image.crop((seen.left - 1, seen.top - 1, seen.right + 1, seen.bottom + 1)).getbbox()
            is not None
        )

    def enlarged(self, box: Box, scale: int) -> Image.Image:
        size = (box.width * scale, box.height * scale)
        return self.image.resize(size, Image.Resampling.BILINEAR, box.lifted(self.top))


def weight_of(doubt: Pixels, top: int, bottom: int) -> Weight | None:
    """For the rows from `top` to `bottom`; None where nothing is doubtful.

    `doubt` is that of the whole picture, height x width, right as far as REACH beyond the rows.
    """
    first, last = max(0, top - REACH), min(len(doubt), bottom + REACH)
    if not doubt[first:last].any():
        return None
    widened = Image.fromarray(doubt[first:last]).filter(ImageFilter.MaxFilter(WIDEN))
    softened = widened.filter(ImageFilter.GaussianBlur(SOFTEN))
    above, below = max(0, top - 1), min(len(doubt), bottom + 1)
    return Weight(softened.crop((0, above - first, doubt.shape[1], below - first)), above)


def blend(native: Pixels, top: int, clean: Pixels, weight: Weight, box: Box, scale: int) -> None:
    """Puts `clean`, which is what the other model made of `box`, into its place in `native`, which begins at
    the picture's row `top`; both height x width x channels at the same scale.
    """
    wide = np.uint32 if native.dtype == np.uint16 else np.uint16
    share = np.asarray(weight.enlarged(box, scale), wide)[:, :, np.newaxis]
    rows = slice((box.top - top) * scale, (box.bottom - top) * scale)
    place = native[rows, box.left * scale : box.right * scale]
    place[:] = (place * (255 - share) + clean * share + 127) // 255
