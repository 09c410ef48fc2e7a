"""Keeps plain colours and smooth ramps exact where a network computed in bfloat16, which loses levels."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LARGEST_STEP = 2
"""A place is smooth if its pixel and its eight neighbours differ by at most these levels in each colour. No
network draws more than a level of detail there, and a ramp of one level a pixel still counts.
"""


def keep_smooth_places(image: Array, upscaled: Array) -> None:
    """Repeat the pixels of smooth places in `upscaled`. Both are N x 3 x height x width of uint8.

    A step of one level ends up where a network in single precision puts it. Only near pixels decide, so tiles
    agree with the whole picture.
    """
    count, colours, height, width = image.shape
    smooth = find_smooth_places(image)
    if smooth.any():
        scale = upscaled.shape[2] // height
        blocks = upscaled.reshape(count, colours, height, scale, width, scale)
        where = smooth[:, :, :, None, :, None]
        np.copyto(blocks, image[:, :, :, None, :, None], where=where)


def find_smooth_places(image: Array) -> npt.NDArray[np.bool_]:
    """Return N x 1 x height x width."""
    range_of_colours = _around(image, np.maximum) - _around(image, np.minimum)
    return np.asarray(range_of_colours.max(axis=1, keepdims=True) <= LARGEST_STEP)


def _around(image: Array, take: Any) -> Array:
    """Return the maximum or minimum of each pixel and the eight around it."""
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    rows = take(take(padded[:, :, :-2], padded[:, :, 1:-1]), padded[:, :, 2:])
    return take(take(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
