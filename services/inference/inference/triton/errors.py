"""Translates Triton's errors. The message decides, because Triton's status codes say little."""

import re

from tritonclient.utils import InferenceServerException

from inference.networks.network import TileTooLarge


class TritonFailed(Exception):
    """Triton cannot be reached, is too slow, or reports an error. Another attempt may succeed."""

    outcome = "failed"
    """The label `outcome` of the metric `loupe_triton_seconds`."""


class TritonUnavailable(TritonFailed):
    """Triton cannot be reached, which is never the picture's fault."""

    outcome = "away"


class TritonTimeout(TritonFailed):
    """Triton did not answer within the limit."""

    outcome = "slow"


class ModelDied(TritonFailed):
    """The model's process has ended, and Triton itself still runs."""

    outcome = "died"


class ModelNotLoaded(ModelDied):
    """The model is not loaded, for instance because it is just being loaded again."""


class ModelBroken(TritonFailed):
    """The model answers even a simple test tile wrongly, which is never the picture's fault."""

    outcome = "broken"


class OutOfMemory(TritonFailed, TileTooLarge):
    outcome = "memory"


class OutdatedRepository(TritonFailed):
    """No model at Triton carries a description, so that the worker cannot know what they are."""


DEAD = re.compile(r"Stub process .* is not healthy", re.IGNORECASE)
GONE = re.compile(r"unknown model|not at ready state|no available versions", re.IGNORECASE)
MEMORY = re.compile(
    r"out ?of ?memory|(fail\w*|cannot|could not|unable) (to )?allocate|bad_alloc|MemoryError|MemoryAllocation"
    r"|shared memory pool size|no space left|expected the shape of dimension \d+ to be between",
    re.IGNORECASE,
)
"""The last alternative is an engine's message for a tile that is larger than it was built for."""


def translate_error(model: str, error: InferenceServerException) -> TritonFailed:
    """Return our error for this error of Triton's client."""
    status, message = str(error.status()).removeprefix("StatusCode."), f"{model}: {error}"
    if DEAD.search(message):
        return ModelDied(message)
    if GONE.search(message):
        return ModelNotLoaded(message)
    if status == "RESOURCE_EXHAUSTED" or MEMORY.search(message):
        return OutOfMemory(message)
    kinds = {"UNAVAILABLE": TritonUnavailable, "DEADLINE_EXCEEDED": TritonTimeout}
    return kinds.get(status, TritonFailed)(message)
