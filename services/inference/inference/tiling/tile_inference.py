"""Runs one tile through a network: all passes, in halves if it is too large for a pass or for the memory, and
with each answer checked.
"""

import asyncio
from asyncio import to_thread
from collections.abc import Callable
from dataclasses import dataclass

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
    context: Tensor | None = None,
    longest_side: int = 0,
) -> Answer:
    """Return the answer after all passes. `box` is the tile's place in the picture, for error messages.

    `after_pass` takes the number of each pass but the last one, counted from 0, as soon as it is done.
    `context` is the first pass's second input, for a network that takes means over the picture.
    Later passes get tiles with about as many pixels as a square of `longest_side` at most, because a network
    takes up to 1.5 kB of memory for each pixel. 0 does not limit them.

    Raises `BadAnswer`, and `TileTooLarge` if the memory does not even suffice for the smallest tile.
    """
    answer = await _whole_or_halves(Pass(network, infer, 0, box, context), tensor)
    for index in range(1, network.passes):
        if after_pass:
            after_pass(index - 1)
        most_pixels = (longest_side + 2 * network.overlap) ** 2 if longest_side else 0
        one = Pass(network, infer, index, box, most_pixels=most_pixels)
        answer = await _whole_or_halves(one, answer.upscaled)
    return answer


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a network over a tile."""

    network: Network
    infer: Infer
    index: int
    box: Box
    context: Tensor | None = None
    most_pixels: int = 0
    """Larger tiles are halved at once. 0 does not limit them."""

    @property
    def shares_means(self) -> bool:
        """Return whether parts of the tile give the result of the whole tile."""
        return self.context is None or bool(self.context[0, 0])

    async def run(self, tensor: Tensor) -> Answer:
        name = self.network.name_of_pass(self.index, is_float=tensor.dtype != np.uint8)
        rest = () if self.context is None else (self.context,)
        try:
            answer = await self.infer(name, tensor, *rest)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            # a task group ignores a cancellation that it did not request, and the tile would stay empty
            raise BadAnswer(f"{name} was cancelled") from error
        if problem := await to_thread(find_problem, tensor, answer, self.network.pass_scale):
            place = f"the tile at {self.box.left}, {self.box.top} {tensor.shape[2:]}"
            raise ImplausibleAnswer(name, f"{problem} for {place}")
        return answer


async def _whole_or_halves(one: Pass, tensor: Tensor) -> Answer:
    network = one.network
    axis = WIDTH if tensor.shape[WIDTH] >= tensor.shape[HEIGHT] else HEIGHT
    if 0 < one.most_pixels < tensor.shape[WIDTH] * tensor.shape[HEIGHT]:
        return await _in_halves(one, tensor, axis)
    try:
        return await one.run(tensor)
    except TileTooLarge as error:
        if tensor.shape[axis] <= max(SMALLEST_HALVED, 4 * network.overlap) or not one.shares_means:
            raise
        LOG.warning(
            "the memory does not suffice for a tile; trying its halves",
            model=network.name,
            shape=tensor.shape[2:],
            error=str(error),
        )
        halved.labels(network.name).inc()
        return await _in_halves(one, tensor, axis)


async def _in_halves(one: Pass, tensor: Tensor, axis: int) -> Answer:
    """Return the joined answer of both halves. Each is upscaled with the overlap on the side of the other."""
    length, network = tensor.shape[axis], one.network
    middle, overlap = length // 4 * 2 if network.is_even else length // 2, network.overlap
    first, second = _slice(tensor, axis, 0, middle + overlap), _slice(tensor, axis, middle - overlap, length)
    left, right = await _whole_or_halves(one, first), await _whole_or_halves(one, second)
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
