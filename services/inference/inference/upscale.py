"""A picture upscaled to an exact size: tiles through a model, put together, resampled, with alpha beside it.

The caller brings the model as a function. Work on pixels happens in threads, never on the event loop.
"""

import asyncio
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inference.picture import Picture, Pixels, Size
from inference.resize import bleed, resize, resize_alpha
from inference.tiles import cut, paste, plan

Infer = Callable[[str, Pixels], Awaitable[Pixels]]
"""Takes a model's name and a tensor of 1 x 3 x height x width, returns it upscaled."""
Progress = Callable[[int, int], None]
"""Told after each tile how many of how many are done."""


@dataclass(frozen=True, slots=True)
class Net:
    name: str
    scale: int
    overlap: int
    """At least the model's reach in pixels of its input, so that no seam can be seen."""


SPAN = (Net("span_x2", scale=2, overlap=21), Net("span_x4", scale=4, overlap=21))


class BadAnswer(Exception):
    """The model gave no result for a tile, or one that cannot be it."""


async def upscale(
    picture: Picture,
    size: Size,
    infer: Infer,
    *,
    nets: Sequence[Net] = SPAN,
    tile: int = 512,
    in_flight: int = 2,
    progress: Progress | None = None,
) -> Picture:
    net = net_for(nets, picture.size, size)
    native = await through(net, picture, infer, tile, in_flight, progress)
    pixels = await to_thread(resize, native, size)
    del native  # at the model's own scale it is the largest thing held
    alpha = None if picture.alpha is None else await to_thread(resize_alpha, picture.alpha, size)
    return replace(picture, pixels=pixels, alpha=alpha)


def net_for(nets: Sequence[Net], source: Size, target: Size) -> Net:
    """The smallest scale that reaches the target, so that nothing is resampled upwards."""
    ratio = max(target[0] / source[0], target[1] / source[1])
    able = [net for net in nets if net.scale >= ratio]
    if not able:
        raise ValueError(f"no model takes {source[0]} x {source[1]} to {target[0]} x {target[1]}")
    return min(able, key=lambda net: net.scale)


async def through(
    net: Net, picture: Picture, infer: Infer, tile: int, in_flight: int, progress: Progress | None
) -> Pixels:
    """The whole picture at the net's own scale."""
    tiles = plan(*picture.size, tile, net.overlap)
    source = await to_thread(bleed, picture)
    target = np.empty(
        (picture.height * net.scale, picture.width * net.scale, picture.pixels.shape[2]), np.uint8
    )
    pending, done = iter(tiles), 0

    async def work() -> None:
        nonlocal done
        for each in pending:
            tensor = await to_thread(cut, source, each)
            result = await infer(net.name, tensor)
            check(result, tensor, net)
            await to_thread(paste, result, each, net.scale, target)
            done += 1
            if progress:
                progress(done, len(tiles))

    await together(work, in_flight)
    if done < len(tiles):  # a task group takes no offence at a call that was cancelled from outside
        raise BadAnswer(f"{net.name} was cancelled at {len(tiles) - done} of {len(tiles)} tiles")
    return target


async def together(work: Callable[[], Coroutine[None, None, None]], workers: int) -> None:
    """The first failure stops the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def check(result: Pixels, tensor: Pixels, net: Net) -> None:
    height, width = tensor.shape[2:]
    expected = (1, 3, height * net.scale, width * net.scale)
    if result.dtype != np.uint8 or result.shape != expected:
        raise BadAnswer(f"{net.name} answered {result.dtype} {result.shape}, not uint8 {expected}")
