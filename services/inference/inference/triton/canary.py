"""A test tile, whose answer shows whether a model works."""

import numpy as np

from inference.networks.network import FLOAT_SUFFIX, Answer, Tensor
from inference.networks.output_checks import find_problem
from inference.triton.errors import ModelBroken

SIDE = 64
RAMP = np.linspace(64, 192, SIDE, dtype=np.uint8)
CANARY = np.ascontiguousarray(np.broadcast_to(RAMP, (1, 3, SIDE, SIDE)))
"""A test tile. No working model turns it black or into one colour."""
CANARIES = {"uint8": CANARY, "float32": CANARY.astype(np.float32) / np.float32(255)}


def canary_for(model: str) -> Tensor:
    return CANARIES["float32" if model.endswith(FLOAT_SUFFIX) else "uint8"]


def check_canary(model: str, answer: Answer) -> None:
    """Raise `ModelBroken` if the answer cannot be the enlarged test tile."""
    scale = max(1, answer.upscaled.shape[-1] // SIDE)
    if problem := find_problem(canary_for(model), answer, scale):
        raise ModelBroken(f"{model} answered {problem} for a test tile")
