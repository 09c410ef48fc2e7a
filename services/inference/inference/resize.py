"""Lanczos resampling to an exact size, and what transparency needs around it.

A large picture goes through Pillow strip by strip, since Pillow keeps four bytes for a pixel of three.
Always across first, then down: left to itself Pillow picks the order by size, and neighbouring strips differ.
"""

from math import ceil, floor

import numpy as np
from PIL import Image

from inference.picture import Picture, Pixels, Size

STRIP_PIXELS = 2_000_000
REACH = 3
"""Of a Lanczos3 filter, in pixels of the coarser side."""


def resize(pixels: Pixels, size: Size) -> Pixels:
    """The very same array where it has the size already."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    target = np.empty((size[1], size[0], *pixels.shape[2:]), np.uint8)
    ratio = height / size[1]
    rows = max(1, STRIP_PIXELS // max(size[0], ceil(width * ratio)))
    for top in range(0, size[1], rows):
        bottom = min(top + rows, size[1])
        target[top:bottom] = resized_rows(pixels, target[top:bottom].shape, top * ratio, bottom * ratio)
    return target


def resized_rows(pixels: Pixels, shape: tuple[int, ...], top: float, bottom: float) -> Pixels:
    """What lies between two heights of the source; the filter reads beyond them as without strips."""
    reach = REACH * max(1.0, (bottom - top) / shape[0])
    first = max(0, floor(top - reach) - 1)
    last = min(len(pixels), ceil(bottom + reach) + 1)
    across = as_image(pixels[first:last]).resize((shape[1], last - first), Image.Resampling.LANCZOS)
    box = (0, top - first, shape[1], min(bottom - first, last - first))
    return np.asarray(across.resize((shape[1], shape[0]), Image.Resampling.LANCZOS, box)).reshape(shape)


def as_image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels)


def resize_alpha(alpha: Pixels, size: Size) -> Pixels:
    """From the original at once to the target; a constant channel stays exactly constant."""
    low, high = int(alpha.min()), int(alpha.max())
    if low == high:
        return np.full((size[1], size[0]), low, np.uint8)
    return resize(alpha, size)


def bleed(picture: Picture) -> Pixels:
    """Under full transparency the neighbours' colours, since what is there shines into visible edges."""
    if picture.alpha is None or not picture.alpha.any() or picture.alpha.all():
        return picture.pixels
    visible = Image.fromarray(np.where(picture.alpha, np.uint8(255), np.uint8(0)))
    filled = filled_in(as_image(picture.pixels), visible)
    return np.asarray(filled).reshape(picture.pixels.shape)


def filled_in(image: Image.Image, known: Image.Image) -> Image.Image:
    """Unknown pixels take the mean of the known ones around, found on ever coarser copies."""
    if known.getextrema() == (255, 255):
        return image
    weighted = image.copy()
    weighted.putalpha(known)
    coarse = weighted.reduce(2)
    coarse_known = coarse.getchannel("A").point([0] + [255] * 255)
    coarse_filled = filled_in(coarse.convert(image.mode), coarse_known)
    return Image.composite(image, coarse_filled.resize(image.size, Image.Resampling.BILINEAR), known)
