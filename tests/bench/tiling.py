"""Measures what tiles cost: pixels that are computed twice, and time relative to a whole picture."""

import asyncio
import os
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from inference.picture import Pixels
from inference.tiling.tile_rows import TiledPass
from inference.tiling.tiles import Tiling, plan
from inference.triton.capacity import CPU_TILE
from loupe_local.triton import MODELS
from tests.bench.bare import BareModel
from tests.inference.built_models import FAITHFUL

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "coffee.png"
NETWORK = FAITHFUL.networks[1]
COMMON_SIZES = (
    (640, 480), (800, 600), (1024, 768), (1280, 720), (1280, 960), (1600, 1200), (1920, 1080), (2048, 1536),
    (3000, 2000), (4000, 3000), (6000, 4000),
)  # fmt: skip
SMALL_TILE = 192


def pixels_over_picture() -> float:
    """Return the pixels of all tiles over those of the picture, as a mean over common sizes."""
    return statistics.mean(
        sum(tile.source.width * tile.source.height for tile in plan(*size, CPU_TILE, NETWORK.overlap))
        / (size[0] * size[1])
        for size in COMMON_SIZES
    )


async def time_over_one_piece(rounds: int) -> float:
    """Return the time of all tiles over the time for as many pixels in one piece."""
    model = BareModel(MODELS / NETWORK.name / "1" / "model.onnx", os.cpu_count() or 1)
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    height, width = photo.shape[:2]
    tiles = plan(width, height, SMALL_TILE, NETWORK.overlap)
    pixels_ratio = sum(tile.source.width * tile.source.height for tile in tiles) / (width * height)
    whole, tiled = list[float](), list[float]()
    for _ in range(rounds + 1):  # the first compiles kernels for each shape
        whole.append(await _seconds(model, photo, max(width, height)))
        tiled.append(await _seconds(model, photo, SMALL_TILE))
    return statistics.median(tiled[1:]) / statistics.median(whole[1:]) / pixels_ratio


async def _seconds(model: BareModel, photo: Pixels, tile: int) -> float:
    async def drop(_rows: Pixels) -> None:
        pass

    started = time.perf_counter()
    await TiledPass(NETWORK, photo, model.infer, Tiling(tile, 1)).run(drop)
    return time.perf_counter() - started


def main() -> None:
    print(pixels_over_picture(), asyncio.run(time_over_one_piece(3)))


if __name__ == "__main__":
    main()
