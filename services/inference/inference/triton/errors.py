"""What Triton's errors mean. They are told apart by their words: its codes say little."""

import re

from tritonclient.utils import InferenceServerException

from inference.networks.network import TooLarge


class TritonFailed(Exception):
    """Triton is away, too slow, or reports an error; another attempt may succeed."""

    outcome = "failed"


class TritonAway(TritonFailed):
    """It cannot be reached: no fault of the picture."""

    outcome = "away"


class TritonSlow(TritonFailed):
    outcome = "slow"


class ModelDied(TritonFailed):
    """Its process is gone; Triton itself is well."""

    outcome = "died"


class ModelGone(ModelDied):
    """It is not loaded, as while somebody loads it again."""


class ModelBroken(TritonFailed):
    """It answers, and wrongly, also what any model can answer: no fault of the picture."""

    outcome = "broken"


class OutOfMemory(TritonFailed, TooLarge):
    outcome = "memory"


DEAD = re.compile(r"Stub process .* is not healthy", re.IGNORECASE)
GONE = re.compile(r"unknown model|not at ready state|no available versions", re.IGNORECASE)
MEMORY = re.compile(
    r"out ?of ?memory|(fail\w*|cannot|could not|unable) (to )?allocate|bad_alloc|MemoryError|MemoryAllocation"
    r"|shared memory pool size|no space left|expected the shape of dimension \d+ to be between",
    re.IGNORECASE,
)
"""The last one are an engine's words for a tile that is larger than it was built for."""


def failure_of(model: str, error: InferenceServerException) -> TritonFailed:
    status, told = str(error.status()).removeprefix("StatusCode."), f"{model}: {error}"
    if DEAD.search(told):
        return ModelDied(told)
    if GONE.search(told):
        return ModelGone(told)
    if status == "RESOURCE_EXHAUSTED" or MEMORY.search(told):
        return OutOfMemory(told)
    kinds = {"UNAVAILABLE": TritonAway, "DEADLINE_EXCEEDED": TritonSlow}
    return kinds.get(status, TritonFailed)(told)
