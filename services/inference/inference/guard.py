"""Where the photo model runs away (small text, single lines, dithering), the clean model takes its place.

The photo model tells its doubt for each pixel of the original. Doubtful places are widened and softened, so
that neither the failure's surroundings nor the border between the two can be seen.
"""

import numpy as np
from PIL import Image, ImageFilter

from inference.picture import Pixels
from inference.tiles import Box

WIDEN = 25
"""Side of the square, in pixels of the original, that one doubtful pixel spoils."""
SOFTEN = 3.0
"""Standard deviation of the blend's edge, in pixels of the original."""
REACH = 32
"""How far doubt is felt: half of WIDEN, and where the softened edge has come to nothing."""


def weight_of(doubt: Pixels, top: int, bottom: int) -> Image.Image | None:
    """How much of the clean model each pixel of some rows gets, 0 to 255; None where that is nothing.

    `doubt` is that of the whole picture, height x width, right as far as REACH beyond the rows.
    """
    first, last = max(0, top - REACH), min(len(doubt), bottom + REACH)
    if not doubt[first:last].any():
        return None
    widened = Image.fromarray(doubt[first:last]).filter(ImageFilter.MaxFilter(WIDEN))
    softened = widened.filter(ImageFilter.GaussianBlur(SOFTEN))
    return softened.crop((0, top - first, doubt.shape[1], bottom - first))


def is_needed(weight: Image.Image, box: Box) -> bool:
    return weight.crop(box).getbbox() is not None


def blend(native: Pixels, clean: Pixels, weight: Image.Image, box: Box, scale: int) -> None:
    """Puts `clean`, which is what the other model made of `box`, into its place in `native`; both height x
    width x channels at the same scale.
    """
    size = (box.width * scale, box.height * scale)
    wide = np.uint32 if native.dtype == np.uint16 else np.uint16
    share = np.asarray(weight.resize(size, Image.Resampling.BILINEAR, box), wide)[:, :, np.newaxis]
    place = native[box.top * scale : box.bottom * scale, box.left * scale : box.right * scale]
    place[:] = (place * (255 - share) + clean * share + 127) // 255
