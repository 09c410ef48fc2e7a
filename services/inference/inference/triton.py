"""Tensors to NVIDIA Triton and back over gRPC, a few at a time: the queue is here, for Triton has none that
we trust.
"""

import asyncio
from typing import cast

import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from inference.bands import Answer
from inference.tiles import Tensor

PROBE_SECONDS = 5.0


class TritonFailed(Exception):
    """Triton is away, too slow, or reports an error; another attempt may succeed."""


class TritonAway(TritonFailed):
    """It cannot be reached: no fault of the picture."""


class Triton:
    def __init__(self, target: str, *, in_flight: int, seconds: float) -> None:
        self._client = InferenceServerClient(target)
        self._free = asyncio.Semaphore(in_flight)
        self._seconds = seconds

    async def wait_ready(self, *models: str) -> None:
        """Raises unless each is loaded. The server's own readiness turns false while any model loads."""
        for model in models:
            if not await self._client.is_model_ready(model, client_timeout=PROBE_SECONDS):
                raise TritonFailed(f"the model {model} is not ready")

    async def infer(self, model: str, tile: Tensor) -> Answer:
        """`tile` is uint8 or float32, N x 3 x height x width; asks for all outputs that the model has."""
        given = InferInput("IMAGE", list(tile.shape), "UINT8" if tile.dtype == np.uint8 else "FP32")
        given.set_data_from_numpy(tile)
        async with self._free:
            try:
                answer = await self._client.infer(model, [given], client_timeout=self._seconds)
            except InferenceServerException as error:
                kind = TritonAway if error.status() == "StatusCode.UNAVAILABLE" else TritonFailed
                raise kind(f"{model}: {error}") from error
        upscaled = answer.as_numpy("UPSCALED") if answer else None
        if answer is None or upscaled is None:
            raise TritonFailed(f"{model} answered without UPSCALED")
        return Answer(cast("Tensor", upscaled), cast("Tensor | None", answer.as_numpy("DOUBT")))

    async def close(self) -> None:
        await self._client.close()
