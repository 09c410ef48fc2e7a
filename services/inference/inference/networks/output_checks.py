"""Whether an answer can be the picture that was asked about, enlarged. A model on a broken device answers all
the same: no numbers, black, or one colour. What the model itself doubts may be all of that.

Looked at are as many pixels as the tile has, 3 ms for 512 x 512. No picture is refused: a net keeps the mean
of what it enlarges, so that nothing that is plainly lit turns black, and no structure into one colour.
"""

import numpy as np

from inference.networks.network import Answer
from inference.tiling.tiles import Tensor

LIT = 8
"""Mean in levels of 256 from which a tile is not black."""
VARIED = 4
"""Standard deviation in levels from which it is not of one colour."""
BLOCK = 32
BRIGHT = 48
"""Mean in levels from which no block of that many pixels a side turns black altogether."""


def check(tensor: Tensor, answer: Answer, step: int) -> str | None:
    """What is wrong with the answer to a tile, 1 x 3 x height x width; `step` is the scale."""
    height, width = tensor.shape[2:]
    if problem := shape_of(answer.upscaled, (1, 3, height * step, width * step), tensor.dtype.name):
        return problem
    if answer.doubt is not None and (problem := shape_of(answer.doubt, (1, 1, height, width), "uint8")):
        return f"doubt of {problem}"
    if tensor.dtype == np.float32 and not np.isfinite(answer.upscaled).all():
        return "what are no numbers"
    seen, sure = answer.upscaled[:, :, ::step, ::step], tensor
    if answer.doubt is not None and answer.doubt.any():  # another model takes the place of this one there
        sure = tensor[:, :, answer.doubt[0, 0] == 0]
        tensor = np.where(answer.doubt, tensor.dtype.type(0), tensor)
    level = 1.0 if tensor.dtype == np.uint8 else 1 / 255
    if sure.size and seen.min() == seen.max():
        if not seen.any() and sure.mean() > LIT * level and not answer.upscaled.any():
            return "black"
        if sure.std() > VARIED * level and answer.upscaled.min() == answer.upscaled.max():
            return "one colour"
    return "a black hole" if has_hole(tensor, seen, BRIGHT * level) else None


def shape_of(tensor: Tensor, shape: tuple[int, ...], kind: str) -> str | None:
    if tensor.dtype != kind or tensor.shape != shape:
        return f"{tensor.dtype} {tensor.shape}, not {kind} {shape},"
    return None


def has_hole(tensor: Tensor, seen: Tensor, bright: float) -> bool:
    """Whether a whole block is black that was bright, as where only a part of a buffer was written."""
    rows, columns = tensor.shape[2] // BLOCK, tensor.shape[3] // BLOCK
    if not rows or not columns:
        return False
    tall, wide = rows * BLOCK, columns * BLOCK
    brightest = seen[0, :, :tall, :wide].max(axis=0)
    is_black = brightest.reshape(rows, BLOCK, columns, BLOCK).max(axis=(1, 3)) == 0
    if not is_black.any():
        return False
    blocks = tensor[0, :, :tall, :wide].reshape(3, rows, BLOCK, columns, BLOCK)
    return bool((blocks.mean(axis=(0, 2, 4))[is_black] > bright).any())
