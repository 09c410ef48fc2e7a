"""A picture upscaled to an exact size: tiles through a model, put together, resampled, with alpha beside it.

The caller brings the model as a function. Work on pixels happens in threads, never on the event loop.
"""

import asyncio
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from PIL import Image

from inference import guard
from inference.picture import Picture, Pixels, Size
from inference.resize import bleed, resize, resize_alpha
from inference.tiles import Tile, cut, kept, paste, plan


class Answer(NamedTuple):
    """What a model makes of a tile."""

    upscaled: Pixels
    """1 x 3 x (scale * height) x (scale * width)."""
    doubt: Pixels | None = None
    """1 x 1 x height x width: above 0 where the model failed. None from models that never do."""


Infer = Callable[[str, Pixels], Awaitable[Answer]]
"""Takes a model's name and a tensor of 1 x 3 x height x width."""
Progress = Callable[[int, int], None]
"""Told after each tile how many of how many are done."""


@dataclass(frozen=True, slots=True)
class Net:
    name: str
    scale: int
    overlap: int
    """At least the model's reach in pixels of its input, so that no seam can be seen."""


SPAN = (Net("span_x2", scale=2, overlap=21), Net("span_x4", scale=4, overlap=21))
CLEAN = Net("waifu2x_photo_x2", scale=2, overlap=7)
CLEAN_TILE = 256
"""Its second pass, for a scale of 4, sees tiles twice as large."""


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
    source = await to_thread(bleed, picture)
    native, doubt = await through(net, source, infer, tile, in_flight, progress)
    weight = await to_thread(guard.weight_of, doubt)
    if weight is not None:
        await mend(native, weight, net, source, infer, in_flight)
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
    net: Net, source: Pixels, infer: Infer, tile: int, in_flight: int, progress: Progress | None
) -> tuple[Pixels, Pixels]:
    """The whole picture at the net's own scale, and its doubt at the original's, height x width."""
    height, width, channels = source.shape
    target = np.empty((height * net.scale, width * net.scale, channels), np.uint8)
    doubt = np.zeros((height, width, 1), np.uint8)
    tiles, done = plan(width, height, tile, net.overlap), 0

    async def work(each: Tile) -> None:
        nonlocal done
        answer = await asked(net, infer, await to_thread(cut, source, each))
        await to_thread(paste, answer.upscaled, each, net.scale, target)
        if answer.doubt is not None:
            paste(answer.doubt, each, 1, doubt)
        done += 1
        if progress:
            progress(done, len(tiles))

    await for_each(tiles, work, in_flight)
    if done < len(tiles):  # a task group takes no offence at a call that was cancelled from outside
        raise BadAnswer(f"{net.name} was cancelled at {len(tiles) - done} of {len(tiles)} tiles")
    return target, doubt[:, :, 0]


async def mend(
    native: Pixels, weight: Image.Image, net: Net, source: Pixels, infer: Infer, in_flight: int
) -> None:
    """Puts the clean model's result where the other is doubtful."""
    passes = net.scale // CLEAN.scale
    tiles = plan(source.shape[1], source.shape[0], CLEAN_TILE, passes * CLEAN.overlap)
    doubtful = [each for each in tiles if guard.is_needed(weight, each.keep)]

    async def work(each: Tile) -> None:
        tensor = await to_thread(cut, source, each)
        for _ in range(passes):
            tensor = (await asked(CLEAN, infer, tensor)).upscaled
        clean = kept(tensor, each, net.scale, native.shape[2])
        await to_thread(guard.blend, native, clean, weight, each.keep, net.scale)

    await for_each(doubtful, work, in_flight)


async def asked(net: Net, infer: Infer, tensor: Pixels) -> Answer:
    """The model's answer, if it can be one."""
    answer = await infer(net.name, tensor)
    height, width = tensor.shape[2:]
    check(answer.upscaled, (1, 3, height * net.scale, width * net.scale), net)
    if answer.doubt is not None:
        check(answer.doubt, (1, 1, height, width), net)
    return answer


async def for_each(
    tiles: Sequence[Tile], work: Callable[[Tile], Coroutine[None, None, None]], workers: int
) -> None:
    """The first failure stops the others and is raised as itself."""
    waiting = iter(tiles)

    async def one_after_another() -> None:
        for each in waiting:
            await work(each)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(one_after_another())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def check(tensor: Pixels, shape: tuple[int, ...], net: Net) -> None:
    if tensor.dtype != np.uint8 or tensor.shape != shape:
        raise BadAnswer(f"{net.name} answered {tensor.dtype} {tensor.shape}, not uint8 {shape}")
