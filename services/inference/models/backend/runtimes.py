"""What runs a graph on the CPU: OpenVINO or ONNX Runtime, whichever is faster here.

Which that is depends on the processor, so it is measured when a model is first loaded and noted beside its
graph, in `runtime.json`. OpenVINO in single precision is what the graphs were checked with: ONNX Runtime must
give the same but for rounding. Each is imported only where it is used.
"""

import contextlib
import hashlib
import json
import os
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

RUNTIMES = ("openvino", "onnxruntime")
NOTE = "runtime.json"
SIDE = 96
"""Of the tile that is measured with."""
ROUNDS, ENOUGH_SECONDS = 2, 1.0
FASTER = 0.9
"""By less the other runtime would be chosen for nothing but noise."""
MOST_DIFFERENT = 1e-4
"""The share of values that rounding may put one level away."""


class Runtime(Protocol):
    name: str
    outputs: list[str]

    def run(self, image: Array, wanted: list[str]) -> list[Array]: ...


class OpenVino:
    name = "openvino"

    def __init__(self, path: Path, precision: str, threads: int) -> None:
        import openvino as ov  # noqa: PLC0415

        options = {
            "PERFORMANCE_HINT": "LATENCY",
            # by itself OpenVINO takes bfloat16 where it can, which costs levels of smooth ramps and greys
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            # the models' processes share the cores, and each would pin its threads to the same ones
            "ENABLE_CPU_PINNING": False,
        }
        core = ov.Core()
        compiled = core.compile_model(core.read_model(path), "CPU", options)
        self._inference = compiled.create_infer_request()
        self.outputs = [port.get_any_name() for port in compiled.outputs]

    def run(self, image: Array, wanted: list[str]) -> list[Array]:
        # Never share_inputs=True: with changing shapes OpenVINO writes past the end of an earlier array.
        self._inference.infer([image])
        # copied, since the next request overwrites them before Triton has read them
        return [self._inference.get_tensor(name).data.copy() for name in wanted]


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, path: Path, threads: int) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it tells its maker of our models
        import onnxruntime as ort  # noqa: PLC0415

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # waiting threads would take the cores from the other models, for no gain
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, image: Array, wanted: list[str]) -> list[Array]:
        return self._session.run(wanted, {"IMAGE": image})


def load(path: Path, runtime: str, precision: str, threads: int, *, floats: bool) -> Runtime:
    """`runtime` may be `auto`. ONNX Runtime computes in single precision only."""
    if runtime == "auto":
        runtime = "openvino" if precision != "f32" else noted(path, threads, floats=floats)
    if runtime == "openvino":
        return OpenVino(path, precision, threads)
    if runtime == "onnxruntime":
        return OnnxRuntime(path, threads)
    raise ValueError(f"runtime {runtime!r} is none of auto, {', '.join(RUNTIMES)}")


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """Its name and what it can do."""
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    told = sorted(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def noted(path: Path, threads: int, *, floats: bool) -> str:
    """The faster runtime: from the note where it holds, else measured and noted.

    Where it cannot be noted it is OpenVINO: every start would pay for the measurement.
    """
    versions = {name: version(name) for name in RUNTIMES}
    if None in versions.values():
        return next((name for name in RUNTIMES if versions[name]), RUNTIMES[0])
    graph = hashlib.sha256(path.read_bytes()).hexdigest()
    holds_for = {"graph": graph, "processor": processor(), "threads": threads, **versions}
    note = path.with_name(NOTE)
    try:
        told: dict[str, Any] = json.loads(note.read_text())
        if told["holds_for"] == holds_for and told["runtime"] in RUNTIMES:
            return told["runtime"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if not os.access(path.parent, os.W_OK):
        return RUNTIMES[0]
    found = measure(path, threads, floats=floats)
    write_note(note, {**found, "holds_for": holds_for})
    return found["runtime"]


def write_note(note: Path, told: dict[str, Any]) -> None:
    new = note.with_name(f"{note.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):  # a full disk is no reason not to run
        new.write_text(json.dumps(told, indent=2) + "\n")
        new.replace(note)


def measure(path: Path, threads: int, *, floats: bool) -> dict[str, Any]:
    """In seconds of the processor, over all threads: the clock on the wall would count the work of the other
    models too, which are loaded and measured at the same time.
    """
    first, second = OpenVino(path, "f32", threads), OnnxRuntime(path, threads)
    image = clouds(floats=floats)
    exact = is_exact(second.run(image, second.outputs), first.run(image, second.outputs))
    seconds = {first.name: float("inf"), second.name: float("inf")}
    until = time.monotonic() + ENOUGH_SECONDS
    for turn in range(ROUNDS):
        for runtime in (first, second):
            started = time.process_time()
            runtime.run(image, runtime.outputs)
            seconds[runtime.name] = min(seconds[runtime.name], time.process_time() - started)
        if turn and time.monotonic() > until:
            break
    wins = exact and seconds[second.name] < FASTER * seconds[first.name]
    return {"runtime": (second if wins else first).name, "is_exact": exact, "seconds": seconds}


def clouds(*, floats: bool) -> Array:
    """A tile like a photo: on plain noise SPAN's results are as good as random."""
    random = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = 1
    waves = np.fft.irfft2(np.fft.rfft2(random.normal(size=(3, SIDE, SIDE))) / frequency**1.5, (SIDE, SIDE))
    unit = (0.5 + 0.16 * (waves - waves.mean()) / waves.std()).clip(0, 1)[None]
    return unit.astype(np.float32) if floats else np.rint(unit * 255).astype(np.uint8)


def is_exact(found: list[Array], expected: list[Array]) -> bool:
    """At most a level away, and nearly nowhere that; of 16 bits half a level counts as none."""
    for one, other in zip(found, expected, strict=True):
        floats = one.dtype.kind == "f"
        levels = np.abs(one.astype(np.float64) - other) * (65535 if floats else 1)
        if not (levels.max() <= 1 and np.mean(levels > (0.5 if floats else 0)) <= MOST_DIFFERENT):
            return False
    return True
