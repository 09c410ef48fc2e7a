"""Recognises pictures that a network must not colour: those of one colour, and those without colour."""

from inference.picture import Picture, Pixels

CHUNK_ROWS = 64
"""Rows that are compared at once. In most pictures the first rows answer the question."""


def one_colour(picture: Picture) -> Pixels | None:
    """Return the colour that all visible pixels have, or None if they differ or if no pixel is visible."""
    colour: Pixels | None = None
    for top in range(0, picture.height, CHUNK_ROWS):
        pixels = picture.pixels[top : top + CHUNK_ROWS]
        if picture.alpha is not None:
            pixels = pixels[picture.alpha[top : top + CHUNK_ROWS] > 0]
        pixels = pixels.reshape(-1, pixels.shape[-1])
        if not len(pixels):
            continue
        colour = pixels[0] if colour is None else colour
        if not (pixels == colour).all():
            return None
    return colour


def is_neutral(pixels: Pixels) -> bool:
    """Return whether all channels of height x width x channels are equal: black, white and grey."""
    first = pixels[:, :, :1]
    return all(
        bool((pixels[top : top + CHUNK_ROWS] == first[top : top + CHUNK_ROWS]).all())
        for top in range(0, len(pixels), CHUNK_ROWS)
    )


def is_invisible(picture: Picture) -> bool:
    return picture.alpha is not None and not picture.alpha.any()
