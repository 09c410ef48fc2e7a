"""A picture upscaled to an exact size: through a model, resampled, with alpha beside it.

The caller brings the model as a function and takes the rows as they are ready, so that the result is never
held whole. Work on pixels happens in threads, never on the event loop.
"""

from asyncio import to_thread
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from inference.networks.network import Infer, Network
from inference.networks.registry import FAITHFUL
from inference.picture import Picture, Pixels, Size
from inference.resampling import Resampler, bleed, resized
from inference.tiling.tile_rows import Progress, TiledPass
from inference.tiling.tiles import Tiling

Write = Callable[[Pixels], None]
"""Takes the next rows, height x width x channels with alpha last; called in a thread."""


async def upscale(
    picture: Picture,
    size: Size,
    infer: Infer,
    write: Write,
    *,
    nets: Sequence[Network] = FAITHFUL.nets,
    tiling: Tiling = Tiling(),  # noqa: B008  frozen
    progress: Progress | None = None,
) -> None:
    net = net_for(nets, picture.size, size)
    passage = TiledPass(net, await to_thread(bleed, picture), infer, tiling)
    finish = Finish(picture, size, net.scale)

    def put(native: Pixels) -> None:
        for rows in finish.rows(native):
            write(rows)

    async def give(native: Pixels) -> None:
        await to_thread(put, native)

    await passage.run(give, progress)


def net_for(nets: Sequence[Network], source: Size, target: Size) -> Network:
    """The smallest scale that reaches the target, so that nothing is resampled upwards."""
    ratio = max(target[0] / source[0], target[1] / source[1])
    able = [net for net in nets if net.scale >= ratio]
    if not able:
        raise ValueError(f"no model takes {source[0]} x {source[1]} to {target[0]} x {target[1]}")
    return min(able, key=lambda net: net.scale)


class Finish:
    """From a model's rows to those of the result."""

    def __init__(self, picture: Picture, size: Size, scale: int) -> None:
        self._picture = picture
        self._size = size
        self._resampler = Resampler((picture.width * scale, picture.height * scale), size)
        self._top = 0
        self._constant = constant_alpha(picture)

    def rows(self, native: Pixels) -> Iterator[Pixels]:
        for colour in self._resampler.push(native):
            yield self._with_alpha(colour) if self._picture.has_alpha else colour
            self._top += len(colour)

    def _with_alpha(self, colour: Pixels) -> Pixels:
        height, width, channels = colour.shape
        together = np.empty((height, width, channels + 1), colour.dtype)
        together[:, :, :-1] = colour
        together[:, :, -1:] = self._alpha(self._top, self._top + height)
        return together

    def _alpha(self, top: int, bottom: int) -> Pixels | int:
        """From the original at once to the target."""
        if self._constant is not None or self._picture.alpha is None:
            return self._constant or 0
        return resized(self._picture.alpha[:, :, np.newaxis], self._size, top, bottom)


def constant_alpha(picture: Picture) -> int | None:
    """What stays exactly what it is: no filter sees it."""
    if picture.alpha is None:
        return int(np.iinfo(picture.pixels.dtype).max)
    low, high = int(picture.alpha.min()), int(picture.alpha.max())
    return low if low == high else None
