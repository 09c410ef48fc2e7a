"""Runs a network whose layers take means over the whole picture, with OpenVINO or ONNX Runtime.

A request names the output that it wants. Only the layers up to that output are computed, because the worker
first collects the means of one layer after the other.
"""

from pathlib import Path
from typing import Any

from runtimes import Array, onnx_session


class PooledOpenVino:
    name = "openvino"

    def __init__(self, path: Path, threads: int) -> None:
        import openvino as ov  # noqa: PLC0415

        self._path, self._core = path, ov.Core()
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        self._requests: dict[str, Any] = {}
        self.outputs = [port.get_any_name() for port in self._core.read_model(path).outputs]

    def run(self, inputs: dict[str, Array], wanted: list[str]) -> list[Array]:
        return [self._run(inputs, name) for name in wanted]

    def _run(self, inputs: dict[str, Array], output: str) -> Array:
        request = self._requests.get(output) or self._requests.setdefault(output, self._compile(output))
        request.infer(inputs)
        return request.get_output_tensor(0).data.copy()

    def release_memory(self) -> None:
        for request in self._requests.values():
            request.get_compiled_model().release_memory()

    def _compile(self, output: str) -> Any:
        """Return the part of the network that computes one output."""
        network = self._core.read_model(self._path)
        for result in network.get_results():
            if output not in result.input(0).get_source_output().get_names():
                network.remove_result(result)
        return self._core.compile_model(network, "CPU", self._options).create_infer_request()


class PooledOnnxRuntime:
    name = "onnxruntime"

    def __init__(self, path: Path, threads: int) -> None:
        self._session = onnx_session(path, threads)  # it switches telemetry off before the import
        import onnxruntime as ort  # noqa: PLC0415

        self._only_wanted = ort.RunOptions()
        self._only_wanted.only_execute_path_to_fetches = True
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: dict[str, Array], wanted: list[str]) -> list[Array]:
        return self._session.run(wanted, inputs, self._only_wanted)

    def release_memory(self) -> None:
        """Do nothing: ONNX Runtime holds its memory here."""


def load(path: Path, runtime: str, threads: int) -> PooledOpenVino | PooledOnnxRuntime:
    """Load the graph. OpenVINO is used unless ONNX Runtime is named."""
    return (PooledOnnxRuntime if runtime == "onnxruntime" else PooledOpenVino)(path, threads)
