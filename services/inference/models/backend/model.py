"""Triton's Python back end: runs a network on the CPU, with the same tensors as the TensorRT engine on a GPU.

It runs one request at a time. On a CPU a batch is no faster than its parts, takes more memory, and cannot be
cancelled in between.
"""

import functools
import json
import os
from pathlib import Path
from typing import Any

import pooled
import runtimes
import triton_python_backend_utils as pb_utils

Request = Any
Response = Any


def parameters_of(config: dict[str, Any]) -> dict[str, str]:
    return {key: value["string_value"] for key, value in config.get("parameters", {}).items()}


def count_threads(parameters: dict[str, str]) -> int:
    """Return the number of threads. The environment overrides the configuration; 0 is every core that may be
    used.
    """
    wanted = os.environ.get("LOUPE_TRITON_THREADS") or parameters.get("intra_op_thread_count", "0")
    return int(wanted) or len(os.sched_getaffinity(0))


def load(path: Path, config: dict[str, Any]) -> runtimes.Runtime:
    """The environment overrides the configuration."""
    parameters = parameters_of(config)
    runtime = os.environ.get("LOUPE_TRITON_RUNTIME") or parameters.get("runtime", "auto")
    is_float = config["input"][0]["data_type"] == "TYPE_FP32"
    precision, threads = parameters.get("precision", "f32"), count_threads(parameters)
    return runtimes.load(path, runtime, precision, threads, is_float=is_float)


def load_pooled(path: Path, config: dict[str, Any]) -> pooled.PooledOpenVino | pooled.PooledOnnxRuntime:
    """Load a network that takes a context beside the image."""
    parameters = parameters_of(config)
    runtime = os.environ.get("LOUPE_TRITON_RUNTIME") or parameters.get("runtime", "auto")
    return pooled.load(path, runtime, count_threads(parameters))


def failure(message: str, code: int) -> Response:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))


class TritonPythonModel:
    """Triton's Python back end demands this name and these methods."""

    def initialize(self, args: dict[str, str]) -> None:
        self._name = args["model_name"]
        self._path = Path(args["model_repository"], args["model_version"], "model.onnx")
        self._config: dict[str, Any] = json.loads(args["model_config"])
        self._takes_context = len(self._config["input"]) > 1
        if parameters_of(self._config).get("is_lazy") != "true":
            _ = self._runtime

    @functools.cached_property
    def _runtime(self) -> Any:
        """The network. A lazy one is loaded here at its first tile."""
        runtime = (load_pooled if self._takes_context else load)(self._path, self._config)
        pb_utils.Logger.log_info(f"{self._name} runs in {runtime.name}")
        return runtime

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
        wanted = [name for name in self._runtime.outputs if name in request.requested_output_names()]
        results = self._runtime.run(self._inputs(request, image), wanted)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(*each) for each in zip(wanted, results, strict=True)]
        )

    def _inputs(self, request: Request, image: Any) -> Any:
        if not self._takes_context:
            return image
        return {"IMAGE": image, "CONTEXT": pb_utils.get_input_tensor_by_name(request, "CONTEXT").as_numpy()}
