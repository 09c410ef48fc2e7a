"""Chooses the precision in which networks compute an image, and remembers which one it was.

Pictures of 16 bits always get single precision. Others get what Triton uses by itself, unless the client or
the operator wants single precision.
"""

from asyncio import to_thread
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.networks.network import FLOAT_SUFFIX, Answer, Infer, Tensor
from inference.triton.tile_turns import Turn

if TYPE_CHECKING:
    from inference.triton.client import Triton

EXACT = "exact"
FROM_LOWEST = ("bf16", "f16", "f32")
WHITE = np.float32(255)


def infer_for(triton: "Triton", turn: Turn, *, is_exact: bool) -> Infer:
    """Return an `Infer` whose tiles take turns, and which computes in single precision if `is_exact`.

    An engine has one precision. So on a GPU the network for pictures of 16 bits takes the tiles of others
    too.
    """

    async def infer_as_float(model: str, tile: Tensor, *rest: Any) -> Answer:
        if tile.dtype != np.uint8:
            return await triton.infer(model, tile, *rest, turn=turn)
        unit = await to_thread(np.divide, tile, WHITE)
        answer = await triton.infer(model + FLOAT_SUFFIX, unit, *rest, turn=turn)
        if answer.upscaled.ndim != tile.ndim:  # sums of a layer
            return answer
        return answer._replace(upscaled=await to_thread(to_levels, answer.upscaled))

    if is_exact and triton.is_gpu:
        return infer_as_float
    return partial(triton.infer, turn=turn, is_exact=is_exact)


def to_levels(unit: Tensor) -> Tensor:
    return np.rint(unit * WHITE).astype(np.uint8)


def lowest(precisions: set[str]) -> str:
    """Return the lowest of these precisions, or an empty string if there is none."""
    return next((each for each in FROM_LOWEST if each in precisions), "")
