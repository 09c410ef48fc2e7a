"""Runs a graph on the CPU with OpenVINO or ONNX Runtime. Each runtime is imported only where it is used."""

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from exact_end import keep_end_exact
from smooth import keep_smooth_places

Array = npt.NDArray[Any]

RUNTIMES = ("openvino", "onnxruntime")
SINGLE, ROUNDED = "f32", "bf16"
"""Single precision, and bfloat16, which has 8 bits for a number's digits instead of 24."""
UPSCALED = "UPSCALED"
SMALL_TILE = 64
"""The side of a small tile in pixels."""


class Runtime(Protocol):
    name: str
    precision: str
    outputs: list[str]

    def run(self, image: Array, wanted: list[str]) -> list[Array]: ...

    def release_memory(self) -> None:
        """Give back the memory of earlier results. The next run takes it anew."""
        ...


class OpenVino:
    name = "openvino"

    def __init__(self, path: Path, precision: str, threads: int) -> None:
        import openvino as ov  # noqa: PLC0415

        self.precision = precision
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            # otherwise OpenVINO uses bfloat16 wherever it can
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            # the networks' processes share the cores, and each would pin its threads to the same ones
            "ENABLE_CPU_PINNING": False,
        }
        core = ov.Core()
        network = core.read_model(path)
        if precision == ROUNDED:
            keep_end_exact(network, UPSCALED)
        self._compiled = core.compile_model(network, "CPU", options)
        self._inference = self._compiled.create_infer_request()
        self.outputs = [port.get_any_name() for port in self._compiled.outputs]

    def run(self, image: Array, wanted: list[str]) -> list[Array]:
        # Never share_inputs=True: with changing shapes OpenVINO writes past the end of an earlier array.
        self._inference.infer([image])
        # copies, because the next request overwrites the originals before Triton has read them
        return [self._inference.get_tensor(name).data.copy() for name in wanted]

    def release_memory(self) -> None:
        self._compiled.release_memory()


class RoundedOpenVino(OpenVino):
    """Computes in bfloat16, but for the last layers. Plain colours and smooth ramps keep every level."""

    def __init__(self, path: Path, threads: int) -> None:
        super().__init__(path, ROUNDED, threads)

    def run(self, image: Array, wanted: list[str]) -> list[Array]:
        results = super().run(image, wanted)
        if UPSCALED in wanted:
            keep_smooth_places(image, results[wanted.index(UPSCALED)])
        return results


def onnx_session(path: Path, threads: int) -> Any:
    """Return the graph as a session of ONNX Runtime on the CPU."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # otherwise it reports our models to its maker
    import onnxruntime as ort  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # waiting threads would take cores from the other networks, for no gain
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class OnnxRuntime:
    name, precision = "onnxruntime", SINGLE

    def __init__(self, path: Path, threads: int) -> None:
        self._session = onnx_session(path, threads)
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, image: Array, wanted: list[str]) -> list[Array]:
        return self._session.run(wanted, {"IMAGE": image})

    def release_memory(self) -> None:
        import onnxruntime as ort  # noqa: PLC0415

        shrinking = ort.RunOptions()
        shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        given = self._session.get_inputs()[0]
        kind = np.float32 if "float" in given.type else np.uint8
        # it only shrinks after a run, and every network takes a tile of this size: the warm-up has it too
        tile = np.zeros((1, 3, SMALL_TILE, SMALL_TILE), kind)
        self._session.run(None, {given.name: tile}, shrinking)


def can_round() -> bool:
    """Return whether the processor computes in bfloat16 itself. Otherwise it is no faster."""
    import openvino as ov  # noqa: PLC0415

    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def load(path: Path, runtime: str, precision: str, threads: int) -> Runtime:
    if runtime == "onnxruntime" and precision == SINGLE:
        return OnnxRuntime(path, threads)
    if runtime == "openvino" and precision == SINGLE:
        return OpenVino(path, SINGLE, threads)
    if runtime == "openvino" and precision == ROUNDED:
        return RoundedOpenVino(path, threads)
    raise ValueError(f"runtime {runtime!r} with precision {precision!r} is none of those that there are")
