"""Recognises pixel art: few colours on a grid of whole pixels, as it was drawn or enlarged by a whole factor.

An enlarged picture shows its grid: all its edges lie on multiples of the factor. A picture that was drawn
pixel by pixel and not enlarged is small, and its colours differ clearly from each other. Photos in a palette
have faint steps, anti-aliased drawings have many colours, and scans have two.
"""

import numpy as np
import numpy.typing as npt

from inference.networks.sample import Sample, count_distinct, encode_colours
from inference.picture import Picture

CHUNK_ROWS = 64
"""Rows that are examined at once. In a picture that is no pixel art the first rows show it."""
MOST_GRID_COLOURS = 128
"""An enlarged picture with more colours is a photo that somebody enlarged."""
FAINT_STEP = 24
"""Differences between neighbours up to this many levels are faint."""
MOST_GRID_FAINT = 0.5
"""With a larger share of faint steps an enlarged picture is a photo. In a photo of few colours that was
enlarged it is 0.2 to 0.8.
"""
MOST_FAINT = 0.12
"""The same for a picture that was not enlarged. In photos of 16 colours it is at least 0.2."""
LEAST_COLOURS, MOST_COLOURS = 4, 32
"""A picture that was not enlarged and has fewer colours may be a scan or a diagram, with more any picture."""
ICON_PIXELS, ICON_COLOURS = 64 * 64, 16
"""A picture that is as small and has as few colours was drawn pixel by pixel, whatever it shows."""
GLYPH_PIXELS = 32 * 32
"""A larger picture of two colours may be a scan."""
MOST_PIXELS = 400 * 300
"""A larger picture that was not enlarged was not drawn pixel by pixel."""
LEAST_EQUAL, MOST_EQUAL = 0.4, 0.97
"""The share of equal neighbours. Dithered pictures have fewer, charts and diagrams more."""
MOST_BETWEEN_SPRITE, MOST_BETWEEN = 0.24, 0.06
"""The share of changes that lead through a colour between their two sides, as anti-aliasing draws them.
Sprites are cut out without half transparent pixels and have up to 0.21. Photos of 4 colours have 0.08 and
more, text and drawings of 8 colours 0.13, anti-aliased logos 0.28.
"""
MOST_SPECKLES = 0.38
"""The share of single odd pixels, as `Sample` counts them. In dithered photos of few colours it is 0.44."""
Codes = npt.NDArray[np.uint32]


def is_pixel_art(picture: Picture, sample: Sample) -> bool:
    """Return whether the picture is pixel art. The sample decides first, because it is fast."""
    if sample.colour_count > MOST_GRID_COLOURS:
        return False
    faint = sample.share_of_steps(FAINT_STEP)
    if faint <= MOST_GRID_FAINT and is_on_grid(picture):
        return True
    is_small = picture.width * picture.height <= MOST_PIXELS
    return is_small and faint <= MOST_FAINT and is_small_art(picture, sample.speckle_share)


def is_on_grid(picture: Picture) -> bool:
    """Return whether all edges are a multiple of 2 or more pixels apart, across and down."""
    columns = np.zeros(picture.width, np.bool_)
    rows = np.zeros(picture.height, np.bool_)
    above: Codes | None = None
    for top in range(0, picture.height, CHUNK_ROWS):
        codes = colour_codes(picture, top, top + CHUNK_ROWS)
        columns[1:] |= (codes[:, 1:] != codes[:, :-1]).any(axis=0)
        joined = codes if above is None else np.concatenate((above, codes))
        rows[top + len(codes) - len(joined) + 1 : top + len(codes)] = (joined[1:] != joined[:-1]).any(axis=1)
        above = codes[-1:]
        if distance_of_edges(columns) == 1 or distance_of_edges(rows) == 1:
            return False
    return True


def distance_of_edges(edges: npt.NDArray[np.bool_]) -> int:
    """Return the largest whole number that divides all distances between edges. 0 if there are none."""
    return int(np.gcd.reduce(np.diff(np.flatnonzero(edges)), initial=0))


def is_small_art(picture: Picture, speckles: float) -> bool:
    """Return whether a small picture without faint steps was drawn pixel by pixel."""
    codes = colour_codes(picture, 0, picture.height)
    colours, pixels = count_distinct(codes), codes.size
    if colours <= ICON_COLOURS and pixels <= (GLYPH_PIXELS if colours == 2 else ICON_PIXELS):
        return True
    is_sprite = is_cut_out(picture)
    if not LEAST_COLOURS <= colours <= MOST_COLOURS or (speckles > MOST_SPECKLES and not is_sprite):
        return False
    changes = np.count_nonzero(codes[:, 1:] != codes[:, :-1]) + np.count_nonzero(codes[1:] != codes[:-1])
    neighbours = 2 * pixels - picture.width - picture.height
    if not LEAST_EQUAL <= 1 - changes / neighbours <= MOST_EQUAL:
        return False
    samples = picture.pixels.astype(np.int32)
    between = count_between(codes, samples) + count_between(codes.T, samples.transpose(1, 0, 2))
    return between <= int(changes) * (MOST_BETWEEN_SPRITE if is_sprite else MOST_BETWEEN)


def is_cut_out(picture: Picture) -> bool:
    """Return whether some pixels are invisible and all others opaque."""
    alpha = picture.alpha
    return alpha is not None and bool(((alpha == 0) | (alpha == np.iinfo(alpha.dtype).max)).all())


def count_between(codes: Codes, samples: npt.NDArray[np.int32]) -> int:
    """Return how many pixels have a colour between those of their two neighbours in the row."""
    left, here, right = samples[:, :-2], samples[:, 1:-1], samples[:, 2:]
    is_between = (np.minimum(left, right) <= here) & (here <= np.maximum(left, right))
    differs = (codes[:, :-2] != codes[:, 1:-1]) & (codes[:, 1:-1] != codes[:, 2:])
    return int(np.count_nonzero(is_between.all(axis=2) & differs & (codes[:, :-2] != codes[:, 2:])))


def colour_codes(picture: Picture, top: int, bottom: int) -> Codes:
    """Return a number for each colour of some rows, alpha included. All invisible pixels have the same."""
    rows = slice(top, bottom)
    planes = [picture.pixels[rows, :, channel] for channel in range(picture.pixels.shape[2])]
    if picture.alpha is not None:
        planes = [np.where(picture.alpha[rows] > 0, each, 0) for each in planes]
        planes.append(picture.alpha[rows])
    return encode_colours(
        [(plane >> 8).astype(np.uint8) if plane.itemsize == 2 else plane for plane in planes]
    )
