"""Enlarges without a network: each pixel of the result has the colour of the pixel of the original below it.

No new colour appears. If the factor is no whole number, blocks differ by one pixel in size: a pixel of the
result takes the pixel of the original that covers the largest part of it, which is the one at its middle.
"""

from collections.abc import Iterator

import numpy as np

from inference.picture import Picture, Pixels, Size
from inference.resampling import STRIP_PIXELS, PictureResampler


def nearest_rows(picture: Picture, size: Size) -> Iterator[Pixels]:
    """Yield the rows of the picture at this size, with alpha last, in strips."""
    columns, rows = nearest(picture.width, size[0]), nearest(picture.height, size[1])
    step = strip_rows(size)
    for top in range(0, size[1], step):
        chosen = np.ix_(rows[top : top + step], columns)
        colour = picture.pixels[chosen]
        if not picture.has_alpha:
            yield colour
            continue
        highest = np.iinfo(colour.dtype).max
        alpha = np.full_like(colour[:, :, 0], highest) if picture.alpha is None else picture.alpha[chosen]
        yield np.concatenate([colour, alpha[:, :, np.newaxis]], axis=2)


def plain_rows(picture: Picture, size: Size, colour: Pixels) -> Iterator[Pixels]:
    """Yield rows of one colour at this size, in strips, with the picture's resampled alpha channel."""
    resampler = PictureResampler(picture, size, 1)
    step = strip_rows(size)
    for top in range(0, size[1], step):
        rows = np.empty((min(step, size[1] - top), size[0], len(colour)), colour.dtype)
        rows[:] = colour
        yield resampler.join_alpha(rows)


def nearest(length: int, target: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return for each pixel along an axis of the result the number of its pixel in the original."""
    return (2 * np.arange(target, dtype=np.int64) + 1) * length // (2 * target)


def strip_rows(size: Size) -> int:
    return max(1, STRIP_PIXELS // size[0])
