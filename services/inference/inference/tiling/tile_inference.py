"""One tile asked of a net: all of its passes, in halves where memory does not suffice, and no answer taken
that cannot be one.
"""

import asyncio
from asyncio import to_thread

import numpy as np
from prometheus_client import Counter

from common import log
from inference.networks.network import Answer, BadAnswer, Infer, Network, TooLarge, WrongAnswer
from inference.networks.output_checks import check
from inference.tiling.tiles import Box, Tensor

LOG = log.get(__name__)
SMALLEST = 64
"""No tile with a longer side than this is too large for any machine that can run the net at all."""
WIDTH, HEIGHT = 3, 2
"""A tensor's axes."""

halved = Counter("loupe_tiles_halved_total", "Tiles cut in two for want of memory", ["model"])


async def infer_tile(net: Network, infer: Infer, tensor: Tensor, box: Box) -> Answer:
    """The net's answer after all of its passes; `box` is where the tile lies, for who reads an error."""
    answer = await whole_or_halves(net, infer, tensor, box)
    for _ in range(net.passes - 1):
        answer = await whole_or_halves(net, infer, answer.upscaled, box)
    return answer


async def whole_or_halves(net: Network, infer: Infer, tensor: Tensor, box: Box) -> Answer:
    try:
        return await asked_once(net, infer, tensor, box)
    except TooLarge as error:
        axis = WIDTH if tensor.shape[WIDTH] >= tensor.shape[HEIGHT] else HEIGHT
        if tensor.shape[axis] <= max(SMALLEST, 4 * net.overlap):
            raise
        LOG.warning("tile halved", model=net.name, shape=tensor.shape[2:], error=str(error))
        halved.labels(net.name).inc()
        return await in_halves(net, infer, tensor, box, axis)


async def in_halves(net: Network, infer: Infer, tensor: Tensor, box: Box, axis: int) -> Answer:
    """One after the other, each with as much of its neighbour as the net sees."""
    length = tensor.shape[axis]
    middle, overlap = length // 2, net.overlap
    first, second = sliced(tensor, axis, 0, middle + overlap), sliced(tensor, axis, middle - overlap, length)
    left = await whole_or_halves(net, infer, first, box)
    right = await whole_or_halves(net, infer, second, box)
    upscaled = await to_thread(
        joined, left.upscaled, right.upscaled, axis, middle * net.step, overlap * net.step
    )
    if left.doubt is None or right.doubt is None:
        return Answer(upscaled)
    return Answer(upscaled, joined(left.doubt, right.doubt, axis, middle, overlap))


def sliced(tensor: Tensor, axis: int, start: int, end: int) -> Tensor:
    return tensor[:, :, :, start:end] if axis == WIDTH else tensor[:, :, start:end]


def joined(left: Tensor, right: Tensor, axis: int, middle: int, overlap: int) -> Tensor:
    """Without what both have; `right` begins `overlap` before the middle."""
    parts = sliced(left, axis, 0, middle), sliced(right, axis, overlap, right.shape[axis])
    return np.concatenate(parts, axis=axis)


async def asked_once(net: Network, infer: Infer, tensor: Tensor, box: Box) -> Answer:
    """The model's answer, if it can be one."""
    name = net.name if tensor.dtype == np.uint8 else net.deep_name
    try:
        answer = await infer(name, tensor)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise BadAnswer(f"{name} was cancelled") from error  # a task group would take no offence
    if problem := await to_thread(check, tensor, answer, net.step):
        raise WrongAnswer(name, f"{problem} for the tile at {box.left}, {box.top} {tensor.shape[2:]}")
    return answer
