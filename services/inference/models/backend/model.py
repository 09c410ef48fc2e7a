"""Runs a model on the CPU, behind the same names as the TensorRT engine on a GPU.

One request at a time: on a CPU a batch is no faster than its parts, it only holds more memory
and cannot be cancelled in between.
"""

import json
import os
from pathlib import Path
from typing import Any

import openvino as ov
import triton_python_backend_utils as pb_utils

Request = Any
Response = Any


def parameters_of(config: dict[str, Any]) -> dict[str, str]:
    return {key: value["string_value"] for key, value in config.get("parameters", {}).items()}


def count_threads(parameters: dict[str, str]) -> int:
    """The environment overrides the configuration; 0 is every core this process may use."""
    wanted = os.environ.get("LOUPE_TRITON_THREADS") or parameters.get("intra_op_thread_count", "0")
    return int(wanted) or len(os.sched_getaffinity(0))


def compile_graph(path: Path, parameters: dict[str, str]) -> ov.CompiledModel:
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        # by itself OpenVINO takes bfloat16 where it can, which costs levels of smooth ramps and greys
        "INFERENCE_PRECISION_HINT": parameters.get("precision", "f32"),
        "INFERENCE_NUM_THREADS": count_threads(parameters),
        # the models' processes share the cores, and each would pin its threads to the same ones
        "ENABLE_CPU_PINNING": False,
    }
    core = ov.Core()
    return core.compile_model(core.read_model(path), "CPU", options)


def failure(message: str, code: int) -> Response:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))


class TritonPythonModel:
    """The name and the methods are those that Triton's Python back end calls."""

    def initialize(self, args: dict[str, str]) -> None:
        path = Path(args["model_repository"], args["model_version"], "model.onnx")
        compiled = compile_graph(path, parameters_of(json.loads(args["model_config"])))
        self._inference = compiled.create_infer_request()
        self._outputs = [port.get_any_name() for port in compiled.outputs]

    def execute(self, requests: list[Request]) -> list[Response]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        if request.is_cancelled():
            return failure("the request was cancelled", pb_utils.TritonError.CANCELLED)
        try:
            return self._upscale(request)
        except Exception as error:  # noqa: BLE001  the server must hear of it, whatever it is
            return failure(f"{type(error).__name__}: {error}", pb_utils.TritonError.INTERNAL)

    def _upscale(self, request: Request) -> Response:
        image = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        # Never share_inputs=True: with changing shapes OpenVINO writes past the end of an earlier array.
        self._inference.infer([image])
        wanted = [name for name in self._outputs if name in request.requested_output_names()]
        # copied, since the next request overwrites them before Triton has read them
        tensors = [pb_utils.Tensor(name, self._inference.get_tensor(name).data.copy()) for name in wanted]
        return pb_utils.InferenceResponse(tensors)
