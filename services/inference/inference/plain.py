"""Recognises pictures that a network must not colour: those of one colour, and those without colour."""

import numpy as np

from inference.picture import Picture, Pixels

CHUNK_ROWS = 64
"""Rows that are compared at once. In most pictures the first rows answer the question."""
MOST_ROUNDING = 1
"""The levels by which decoders of lossy formats make equal samples differ."""


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


def neutral_channel(pixels: Pixels) -> Pixels | None:
    """Return one channel of a picture without colour, height x width x 1. Return None if it has colour.

    Channels may differ by a level, because decoders of lossy formats round each of them: libwebp often makes
    the green of a grey pixel darker than red and blue. The channel in the middle is the one that is right.
    """
    first = pixels[:, :, :1]
    for most in (0, MOST_ROUNDING):
        chunks = range(0, len(pixels), CHUNK_ROWS)
        if all(
            are_alike(pixels[top : top + CHUNK_ROWS], first[top : top + CHUNK_ROWS], most) for top in chunks
        ):
            return first if most == 0 else middle_channel(pixels)
    return None


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
