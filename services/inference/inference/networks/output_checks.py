"""Checks whether an answer can be the enlarged tile at all.

A network on a broken device still answers: with NaN, with black, or with one colour. Where the network itself
is uncertain any answer is accepted, because its fallback replaces it there.

The check samples as many pixels as the tile has and takes 3 ms for 512 x 512. It never refuses a real
picture: a network keeps the mean of what it enlarges, so nothing that is clearly lit turns black, and no
structure turns into one colour.
"""

import numpy as np

from inference.networks.network import Answer, Tensor

LIT = 8
"""A tile with at least this mean, in levels of 256, is not black."""
VARIED = 4
"""A tile with at least this standard deviation, in levels, has more than one colour."""
BLOCK = 32
BRIGHT = 48
"""A block of BLOCK x BLOCK pixels with at least this mean, in levels, never turns entirely black."""


def find_problem(tensor: Tensor, answer: Answer, scale: int) -> str | None:
    """Return what is wrong with the answer to a tile, or None.

    `tensor` is the tile, 1 x 3 x height x width. `scale` is that of one pass.
    """
    height, width = tensor.shape[2:]
    if problem := check_shape(answer.upscaled, (1, 3, height * scale, width * scale), tensor.dtype.name):
        return problem
    uncertainty = answer.uncertainty
    if uncertainty is not None and (problem := check_shape(uncertainty, (1, 1, height, width), "uint8")):
        return f"an uncertainty map of {problem}"
    if tensor.dtype == np.float32 and not np.isfinite(answer.upscaled).all():
        return "values that are not numbers"
    sampled, certain = answer.upscaled[:, :, ::scale, ::scale], tensor
    if uncertainty is not None and uncertainty.any():  # the fallback replaces these places
        certain = tensor[:, :, uncertainty[0, 0] == 0]
        tensor = np.where(uncertainty, tensor.dtype.type(0), tensor)
    level = 1.0 if tensor.dtype == np.uint8 else 1 / 255
    if certain.size and sampled.min() == sampled.max():
        if not sampled.any() and certain.mean() > LIT * level and not answer.upscaled.any():
            return "black"
        if certain.std() > VARIED * level and answer.upscaled.min() == answer.upscaled.max():
            return "one colour"
    return "a black hole" if has_hole(tensor, sampled, BRIGHT * level) else None


def check_shape(tensor: Tensor, shape: tuple[int, ...], dtype: str) -> str | None:
    """Return what the tensor is instead, or None if it has this shape and type."""
    if tensor.dtype != dtype or tensor.shape != shape:
        return f"{tensor.dtype} {tensor.shape}, not {dtype} {shape},"
    return None


def has_hole(tensor: Tensor, sampled: Tensor, bright: float) -> bool:
    """Return whether a bright block of the tile came back all black. This happens if a buffer is written in
    part.
    """
    rows, columns = tensor.shape[2] // BLOCK, tensor.shape[3] // BLOCK
    if not rows or not columns:
        return False
    height, width = rows * BLOCK, columns * BLOCK
    brightest = sampled[0, :, :height, :width].max(axis=0)
    is_black = brightest.reshape(rows, BLOCK, columns, BLOCK).max(axis=(1, 3)) == 0
    if not is_black.any():
        return False
    blocks = tensor[0, :, :height, :width].reshape(3, rows, BLOCK, columns, BLOCK)
    return bool((blocks.mean(axis=(0, 2, 4))[is_black] > bright).any())
