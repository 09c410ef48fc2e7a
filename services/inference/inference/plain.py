"""Recognises pictures that a network must not colour: those of one colour, and those without colour."""

import numpy as np

from inference.picture import Picture, Pixels

CHUNK_ROWS = 64
"""Rows that are compared at once. In most pictures the first rows answer the question."""
MOST_ROUNDING = 1
"""The levels by which decoders of lossy formats make equal samples differ."""
LEVEL_OF_16_BITS = 257
"""A level of 8 bits in samples of 16 bits."""
SQUARE, MOST_BLUE, MOST_BLUE_OF_SQUARE = 16, 16, 400
"""The side of a square in pixels, and the levels by which JPEG XL may make blue differ in a pixel and in all
pixels of a square together. Measured for black text down to quality 50: 12 and 250.
"""


def one_colour(picture: Picture) -> Pixels | None:
    """Return the colour that all visible pixels have, or None if they differ or if no pixel is visible.

    In a picture that was compressed with loss they may differ from the first one by a level.
    """
    colour: Pixels | None = None
    most = 0 if picture.is_lossless else MOST_ROUNDING
    for top in range(0, picture.height, CHUNK_ROWS):
        pixels = picture.pixels[top : top + CHUNK_ROWS]
        if picture.alpha is not None:
            pixels = pixels[picture.alpha[top : top + CHUNK_ROWS] > 0]
        pixels = pixels.reshape(-1, pixels.shape[-1])
        if not len(pixels):
            continue
        expected: Pixels = pixels[0] if colour is None else colour
        if not are_alike(pixels, expected, most):
            return None
        colour = expected
    return colour


def neutral_channel(pixels: Pixels, *, is_lossless: bool = True) -> Pixels | None:
    """Return one channel of a picture without colour, height x width x 1. Return None if it has colour.

    Channels may differ by a level, because decoders of lossy formats round each of them: libwebp often makes
    the green of a grey pixel darker than red and blue. The channel in the middle is the one that is right.
    """
    first = pixels[:, :, :1]
    level = LEVEL_OF_16_BITS if pixels.itemsize == 2 and not is_lossless else MOST_ROUNDING
    for most in (0, level):
        chunks = range(0, len(pixels), CHUNK_ROWS)
        if all(
            are_alike(pixels[top : top + CHUNK_ROWS], first[top : top + CHUNK_ROWS], most) for top in chunks
        ):
            return first if most == 0 else middle_channel(pixels)
    return middle_channel(pixels) if not is_lossless and only_blue_is_coarse(pixels, level) else None


def only_blue_is_coarse(pixels: Pixels, level: int) -> bool:
    """Return whether blue differs from green by what lossy JPEG XL does to it, and red by nothing.

    JPEG XL stores blue more coarsely than lightness, and red and green together: at the edges of black text
    on white, blue is too high here and too low there. A tint would differ in one direction.
    """
    for top in range(0, len(pixels), CHUNK_ROWS):
        red, green, blue = np.moveaxis(pixels[top : top + CHUNK_ROWS].astype(np.int32), 2, 0)
        difference = blue - green
        if np.abs(red - green).max() > level or np.abs(difference).max() > MOST_BLUE * level:
            return False
        of_rows = np.add.reduceat(difference, np.arange(0, len(difference), SQUARE), axis=0)
        of_squares = np.add.reduceat(of_rows, np.arange(0, pixels.shape[1], SQUARE), axis=1)
        if np.abs(of_squares).max() > MOST_BLUE_OF_SQUARE * level:
            return False
    return True


def middle_channel(pixels: Pixels) -> Pixels:
    """Return for each pixel the sample of R, G and B that is neither the smallest nor the largest."""
    red, green, blue = (pixels[:, :, index : index + 1] for index in range(3))
    return np.maximum(np.minimum(red, green), np.minimum(np.maximum(red, green), blue))


def are_alike(pixels: Pixels, others: Pixels, most: int) -> bool:
    """Return whether no sample differs by more than `most` levels."""
    if most == 0:
        return bool((pixels == others).all())
    return bool((np.maximum(pixels, others) - np.minimum(pixels, others)).max() <= most)


def is_invisible(picture: Picture) -> bool:
    return picture.alpha is not None and not picture.alpha.any()
