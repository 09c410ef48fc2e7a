"""Triton's Python back end: runs a network on the CPU, with the same tensors as the TensorRT engine on a GPU.

It runs one request at a time. On a CPU a batch is no faster than its parts, takes more memory, and cannot be
cancelled in between.
"""

import functools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

import network
import pooled
from idle import IdleRelease, return_free_memory
from runtimes import SINGLE

PRECISION = "PRECISION"
"""The output that says in which precision the network computed."""
Request = Any
Response = Any


def load_pooled(path: Path, config: dict[str, Any]) -> pooled.PooledOpenVino | pooled.PooledOnnxRuntime:
    """Load a network that takes a context beside the image."""
    parameters = network.parameters_of(config)
    runtime = os.environ.get("LOUPE_TRITON_RUNTIME") or parameters.get("runtime", "auto")
    return pooled.load(path, runtime, network.count_threads(parameters))


def failure(message: str, code: int) -> Response:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))


class TritonPythonModel:
    """Triton's Python back end demands this name and these methods."""

    def initialize(self, args: dict[str, str]) -> None:
        self._name = args["model_name"]
        self._path = Path(args["model_repository"], args["model_version"], "model.onnx")
        self._config: dict[str, Any] = json.loads(args["model_config"])
        self._takes_context = len(self._config["input"]) > 1
        if network.parameters_of(self._config).get("is_lazy") != "true":
            _ = self._pooled if self._takes_context else self._network
        self._in_use = IdleRelease(self._release_memory)

    def finalize(self) -> None:
        self._in_use.close()

    def _release_memory(self) -> None:
        loaded = vars(self).get("_pooled") or vars(self).get("_network")
        if loaded:  # a lazy network may have failed to load
            loaded.release_memory()
            return_free_memory()

    @functools.cached_property
    def _network(self) -> network.Network:
        """The network. A lazy one is loaded here at its first tile."""
        loaded = network.load(self._path, self._config)
        pb_utils.Logger.log_info(f"{self._name} runs in {loaded.usual.name} with {loaded.usual.precision}")
        return loaded

    @functools.cached_property
    def _pooled(self) -> Any:
        """The network, if it takes a context. It computes in single precision."""
        loaded = load_pooled(self._path, self._config)
        pb_utils.Logger.log_info(f"{self._name} runs in {loaded.name}")
        return loaded

    def execute(self, requests: list[Request]) -> list[Response]:
        with self._in_use:
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
        requested = request.requested_output_names()
        precision = SINGLE
        if self._takes_context:
            context = pb_utils.get_input_tensor_by_name(request, "CONTEXT").as_numpy()
            runtime, inputs = self._pooled, {"IMAGE": image, "CONTEXT": context}
        else:
            runtime, inputs = self._network.runtime_for(request.parameters()), image
            precision = runtime.precision
        wanted = [name for name in runtime.outputs if name in requested]
        results = runtime.run(inputs, wanted)
        tensors = [pb_utils.Tensor(*each) for each in zip(wanted, results, strict=True)]
        if PRECISION in requested:
            names = np.full((len(image), 1), precision.encode(), np.object_)
            tensors.append(pb_utils.Tensor(PRECISION, names))
        return pb_utils.InferenceResponse(tensors)
