"""Translates Triton's errors. The message decides, because Triton's status codes say little."""

import re

from tritonclient.utils import InferenceServerException

from inference.networks.network import TooLarge


class TritonFailed(Exception):
    """Triton cannot be reached, is too slow, or reports an error. Another attempt may succeed."""

    outcome = "failed"


class TritonAway(TritonFailed):
    """Triton cannot be reached, which is never the picture's fault."""

    outcome = "away"


class TritonSlow(TritonFailed):
    outcome = "slow"


class ModelDied(TritonFailed):
    """The process of the model is gone, and Triton itself is well."""

    outcome = "died"


class ModelGone(ModelDied):
    """The model is not loaded, for instance because it is just being loaded again."""


class ModelBroken(TritonFailed):
    """The model answers even a simple test tile wrongly, which is never the picture's fault."""

    outcome = "broken"


class OutOfMemory(TritonFailed, TooLarge):
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
"""The last alternative is what an engine says about a tile that is larger than it was built for."""


def failure_of(model: str, error: InferenceServerException) -> TritonFailed:
    """Return the error of ours that the client's error stands for."""
    status, message = str(error.status()).removeprefix("StatusCode."), f"{model}: {error}"
    if DEAD.search(message):
        return ModelDied(message)
    if GONE.search(message):
        return ModelGone(message)
    if status == "RESOURCE_EXHAUSTED" or MEMORY.search(message):
        return OutOfMemory(message)
    kinds = {"UNAVAILABLE": TritonAway, "DEADLINE_EXCEEDED": TritonSlow}
    return kinds.get(status, TritonFailed)(message)
