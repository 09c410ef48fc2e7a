"""Runs one tile through a network: all passes, in halves if the memory does not suffice, and with each answer
checked.
"""

import asyncio
from asyncio import to_thread
from collections.abc import Callable

import numpy as np
from prometheus_client import Counter

from common import log
from inference.networks.network import (
    Answer,
    BadAnswer,
    ImplausibleAnswer,
    Infer,
    Network,
    Tensor,
    TileTooLarge,
)
from inference.networks.output_checks import find_problem
from inference.tiling.tiles import Box

LOG = log.get(__name__)
SMALLEST_HALVED = 64
"""Tiles up to this longest side are not halved. Any machine that can run the network has the memory for them.
"""
WIDTH, HEIGHT = 3, 2
"""A tensor's axes."""

halved = Counter("loupe_tiles_halved_total", "Tiles cut in two for want of memory", ["model"])


async def infer_tile(
    network: Network,
    infer: Infer,
    tensor: Tensor,
    box: Box,
    after_pass: Callable[[int], None] | None = None,
) -> Answer:
    """Return the answer after all passes. `box` is the tile's place in the picture, for error messages.

    `after_pass` takes the number of each pass but the last one, counted from 0, as soon as it is done.

    Raises `BadAnswer`, and `TileTooLarge` if the memory does not even suffice for the smallest tile.
    """
    answer = await _whole_or_halves(network, infer, tensor, box)
    for index in range(network.passes - 1):
        if after_pass:
            after_pass(index)
        answer = await _whole_or_halves(network, infer, answer.upscaled, box)
    return answer


async def _whole_or_halves(network: Network, infer: Infer, tensor: Tensor, box: Box) -> Answer:
    try:
        return await _infer_once(network, infer, tensor, box)
    except TileTooLarge as error:
        axis = WIDTH if tensor.shape[WIDTH] >= tensor.shape[HEIGHT] else HEIGHT
        if tensor.shape[axis] <= max(SMALLEST_HALVED, 4 * network.overlap):
            raise
        LOG.warning(
            "the memory does not suffice for a tile; trying its halves",
            model=network.name,
            shape=tensor.shape[2:],
            error=str(error),
        )
        halved.labels(network.name).inc()
        return await _in_halves(network, infer, tensor, box, axis)


async def _in_halves(network: Network, infer: Infer, tensor: Tensor, box: Box, axis: int) -> Answer:
    """Return the joined answer of both halves. Each is upscaled with the overlap on the side of the other."""
    length = tensor.shape[axis]
    middle, overlap = length // 2, network.overlap
    first, second = _slice(tensor, axis, 0, middle + overlap), _slice(tensor, axis, middle - overlap, length)
    left = await _whole_or_halves(network, infer, first, box)
    right = await _whole_or_halves(network, infer, second, box)
    upscaled = await to_thread(
        _join, left.upscaled, right.upscaled, axis, middle * network.pass_scale, overlap * network.pass_scale
    )
    if left.uncertainty is None or right.uncertainty is None:
        return Answer(upscaled)
    return Answer(upscaled, _join(left.uncertainty, right.uncertainty, axis, middle, overlap))


def _slice(tensor: Tensor, axis: int, start: int, end: int) -> Tensor:
    return tensor[:, :, :, start:end] if axis == WIDTH else tensor[:, :, start:end]


def _join(left: Tensor, right: Tensor, axis: int, middle: int, overlap: int) -> Tensor:
    """Join two halves at `middle`, and cut off the overlap of each. `right` begins `overlap` before the
    middle.
    """
    parts = _slice(left, axis, 0, middle), _slice(right, axis, overlap, right.shape[axis])
    return np.concatenate(parts, axis=axis)


async def _infer_once(network: Network, infer: Infer, tensor: Tensor, box: Box) -> Answer:
    name = network.name if tensor.dtype == np.uint8 else network.float_name
    try:
        answer = await infer(name, tensor)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        # a task group ignores a cancellation that it did not request, and the tile would stay empty
        raise BadAnswer(f"{name} was cancelled") from error
    if problem := await to_thread(find_problem, tensor, answer, network.pass_scale):
        raise ImplausibleAnswer(name, f"{problem} for the tile at {box.left}, {box.top} {tensor.shape[2:]}")
    return answer
