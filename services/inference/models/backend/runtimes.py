"""Runs a graph on the CPU with OpenVINO or ONNX Runtime, whichever is faster on this processor.

It is measured when a network is first loaded, and noted beside its graph in `runtime.json`. The graphs were
checked with OpenVINO in single precision, so ONNX Runtime is used only if its results are the same but for
rounding. Each runtime is imported only where it is used.
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
"""Side of the test tile."""
ROUNDS, ENOUGH_SECONDS = 2, 1.0
FASTER = 0.9
"""ONNX Runtime must need less than this share of OpenVINO's time. A smaller gain may be noise."""
MAX_DIFFERENT = 1e-4
"""The share of values that may be one level away because of rounding."""


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
            # by default OpenVINO uses bfloat16 if it can, which changes smooth ramps and greys by levels
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            # the networks' processes share the cores, and each would pin its threads to the same ones
            "ENABLE_CPU_PINNING": False,
        }
        core = ov.Core()
        compiled = core.compile_model(core.read_model(path), "CPU", options)
        self._inference = compiled.create_infer_request()
        self.outputs = [port.get_any_name() for port in compiled.outputs]

    def run(self, image: Array, wanted: list[str]) -> list[Array]:
        # Never share_inputs=True: with changing shapes OpenVINO writes past the end of an earlier array.
        self._inference.infer([image])
        # copies, because the next request overwrites the originals before Triton has read them
        return [self._inference.get_tensor(name).data.copy() for name in wanted]


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, path: Path, threads: int) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # otherwise it reports our models to its maker
        import onnxruntime as ort  # noqa: PLC0415

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # waiting threads would take cores from the other networks, for no gain
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, image: Array, wanted: list[str]) -> list[Array]:
        return self._session.run(wanted, {"IMAGE": image})


def load(path: Path, runtime: str, precision: str, threads: int, *, is_float: bool) -> Runtime:
    """Load the graph. `runtime` may be `auto`. ONNX Runtime computes in single precision only."""
    if runtime == "auto":
        runtime = "openvino" if precision != "f32" else choose_runtime(path, threads, is_float=is_float)
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
    """Return a digest of the processor's name and features."""
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    features = sorted(
        line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))
    )
    return hashlib.sha256("\n".join(features).encode()).hexdigest()


def choose_runtime(path: Path, threads: int, *, is_float: bool) -> str:
    """Return the faster runtime, from the note if it is valid, else measured and noted.

    If it cannot be noted, it is OpenVINO: otherwise every start would pay for the measurement.
    """
    versions = {name: version(name) for name in RUNTIMES}
    if None in versions.values():
        return next((name for name in RUNTIMES if versions[name]), RUNTIMES[0])
    graph = hashlib.sha256(path.read_bytes()).hexdigest()
    holds_for = {"graph": graph, "processor": processor(), "threads": threads, **versions}
    note = path.with_name(NOTE)
    try:
        noted: dict[str, Any] = json.loads(note.read_text())
        if noted["holds_for"] == holds_for and noted["runtime"] in RUNTIMES:
            return noted["runtime"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if not os.access(path.parent, os.W_OK):
        return RUNTIMES[0]
    found = measure(path, threads, is_float=is_float)
    write_note(note, {**found, "holds_for": holds_for})
    return found["runtime"]


def write_note(note: Path, content: dict[str, Any]) -> None:
    new = note.with_name(f"{note.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):  # the network can run on a full disk
        for draft in note.parent.glob(f"{note.name}.*.tmp"):  # of a process that was killed
            draft.unlink()
        new.write_text(json.dumps(content, indent=2) + "\n")
        new.replace(note)


def measure(path: Path, threads: int, *, is_float: bool) -> dict[str, Any]:
    """Measure both runtimes in processor time of all threads.

    The wall clock would also count the other networks, which are loaded and measured at the same time.
    """
    first, second = OpenVino(path, "f32", threads), OnnxRuntime(path, threads)
    image = natural_noise(is_float=is_float)
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


def natural_noise(*, is_float: bool) -> Array:
    """Return a tile with the spectrum of a photo. On white noise SPAN's results are nearly random."""
    random = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = 1
    waves = np.fft.irfft2(np.fft.rfft2(random.normal(size=(3, SIDE, SIDE))) / frequency**1.5, (SIDE, SIDE))
    unit = (0.5 + 0.16 * (waves - waves.mean()) / waves.std()).clip(0, 1)[None]
    return unit.astype(np.float32) if is_float else np.rint(unit * 255).astype(np.uint8)


def is_exact(found: list[Array], expected: list[Array]) -> bool:
    """Return whether nearly all values are equal, and none is more than a level away. Half a level of 16 bits
    is equal.
    """
    for one, other in zip(found, expected, strict=True):
        is_float = one.dtype.kind == "f"
        levels = np.abs(one.astype(np.float64) - other) * (65535 if is_float else 1)
        if not (levels.max() <= 1 and np.mean(levels > (0.5 if is_float else 0)) <= MAX_DIFFERENT):
            return False
    return True
