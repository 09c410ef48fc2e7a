"""Measures each network's time for a megapixel of result, relative to `faithful` at the factor 4."""

import os
import statistics
import time

import numpy as np

from loupe_local.triton import MODELS as REPOSITORY
from tests.bench.bare import BareModel
from tests.inference.built_models import ALL_MODELS

SIDE = 256
USUAL = "span_x4"
NETWORKS = {network.name: network for model in ALL_MODELS for network in model.networks}


async def costs(rounds: int) -> dict[str, float]:
    """Return the processor time of each built network over that of `USUAL`, by name.

    For a factor of 4 `clean` runs twice.
    """
    tile = np.random.default_rng(1).integers(0, 256, (1, 3, SIDE, SIDE), np.uint8)
    built = {name: network for name, network in NETWORKS.items() if (REPOSITORY / name).exists()}
    models = {name: BareModel(REPOSITORY / name / "1" / "model.onnx", os.cpu_count() or 1) for name in built}
    seconds_by_name = {name: list[float]() for name in built}
    for _ in range(rounds + 1):  # the first compiles kernels for the shape
        for name, model in models.items():
            started = time.process_time()
            await model.infer(name, tile)
            seconds_by_name[name].append(time.process_time() - started)
    per_pixel = {
        name: statistics.median(times[1:]) / built[name].pass_scale ** 2
        for name, times in seconds_by_name.items()
    }
    return {name: seconds / per_pixel[USUAL] for name, seconds in per_pixel.items()}
