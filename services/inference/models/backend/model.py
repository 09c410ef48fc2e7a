"""Triton's Python back end: runs a network on the CPU, with the same tensors as the TensorRT engine on a GPU.

It runs one request at a time. On a CPU a batch is no faster than its parts, takes more memory, and cannot be
cancelled in between.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

import network

PRECISION = "PRECISION"
"""The output that says in which precision the network computed."""
Request = Any
Response = Any


def failure(message: str, code: int) -> Response:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))


class TritonPythonModel:
    """Triton's Python back end demands this name and these methods."""

    def initialize(self, args: dict[str, str]) -> None:
        path = Path(args["model_repository"], args["model_version"], "model.onnx")
        self._network = network.load(path, json.loads(args["model_config"]))
        usual = self._network.usual
        pb_utils.Logger.log_info(f"{args['model_name']} runs in {usual.name} with {usual.precision}")

    def execute(self, requests: list[Request]) -> list[Response]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        if request.is_cancelled():
            return failure("the request was cancelled", pb_utils.TritonError.CANCELLED)
        try:
            return self._upscale(request)
        except Exception as error:  # noqa: BLE001  Triton must get an answer in any case
            return failure(f"{type(error).__name__}: {error}", pb_utils.TritonError.INTERNAL)

    def _upscale(self, request: Request) -> Response:
        image = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        runtime = self._network.runtime_for(request.parameters())
        requested = request.requested_output_names()
        wanted = [name for name in runtime.outputs if name in requested]
        results = runtime.run(image, wanted)
        tensors = [pb_utils.Tensor(*each) for each in zip(wanted, results, strict=True)]
        if PRECISION in requested:
            names = np.full((len(image), 1), runtime.precision.encode(), np.object_)
            tensors.append(pb_utils.Tensor(PRECISION, names))
        return pb_utils.InferenceResponse(tensors)
