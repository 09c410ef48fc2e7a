"""The time that each network takes for a megapixel of result, relative to the usual one."""

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
    """Return the processor time of each network that is built, over that of the usual one.

    `clean` runs twice for a factor of 4.
    """
    tile = np.random.default_rng(1).integers(0, 256, (1, 3, SIDE, SIDE), np.uint8)
    found = {name: network for name, network in NETWORKS.items() if (REPOSITORY / name).exists()}
    models = {name: BareModel(REPOSITORY / name / "1" / "model.onnx", os.cpu_count() or 1) for name in found}
    spent = {name: list[float]() for name in found}
    for _ in range(rounds + 1):  # the first compiles kernels for the shape
        for name, model in models.items():
            started = time.process_time()
            await model.infer(name, tile)
            spent[name].append(time.process_time() - started)
    each = {name: statistics.median(times[1:]) / found[name].pass_scale ** 2 for name, times in spent.items()}
    return {name: seconds / each[USUAL] for name, seconds in each.items()}
