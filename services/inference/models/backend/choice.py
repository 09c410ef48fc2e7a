"""Chooses the runtime and the precision that are fastest on this processor and good enough.

They are measured when a network is first loaded, and noted beside its graph in `runtime.json`. The graphs
were checked with OpenVINO in single precision. ONNX Runtime is used only if its results are the same but for
rounding, and bfloat16 only if it is near enough.
"""

import contextlib
import hashlib
import json
import os
import time
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import runtimes
from runtimes import ROUNDED, RUNTIMES, SINGLE, Array, Runtime

NOTE = "runtime.json"
SIDE = 96
"""Side of the test tile."""
ROUNDS, ENOUGH_SECONDS = 2, 1.0
FASTER = 0.9
"""Another runtime or precision must need less than this share of the time. A smaller gain may be noise."""
MAX_DIFFERENT = 1e-4
"""The share of values that may be one level away because of rounding."""
MIN_DECIBEL = 50.0
"""Peak signal-to-noise ratio of bfloat16 to single precision on the test tile. Measured: 53 to 55."""
MAX_UNCERTAINTY = 0.01
"""The share of the uncertainty map that may differ in bfloat16."""


class Choice(NamedTuple):
    runtime: str
    precision: str


USUAL = Choice("openvino", SINGLE)


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


def choose(path: Path, threads: int, *, is_float: bool, may_round: bool) -> Choice:
    """Return the fastest choice, from the note if it is valid, else measured and noted.

    If it cannot be noted, it is OpenVINO in single precision: otherwise every start would pay for the
    measurement.
    """
    versions = {name: version(name) for name in RUNTIMES}
    if versions["openvino"] is None:
        return Choice("onnxruntime", SINGLE)
    candidates = list_candidates(versions, may_round=may_round)
    graph = hashlib.sha256(path.read_bytes()).hexdigest()
    holds_for = {"graph": graph, "processor": processor(), "threads": threads, **versions}
    holds_for["candidates"] = [" ".join(each) for each in candidates]
    note = path.with_name(NOTE)
    try:
        noted: dict[str, Any] = json.loads(note.read_text())
        chosen = Choice(noted["runtime"], noted["precision"])
        if noted["holds_for"] == holds_for and chosen in candidates:
            return chosen
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if len(candidates) == 1 or not os.access(path.parent, os.W_OK):
        return USUAL
    found = measure(path, threads, candidates, is_float=is_float)
    write_note(note, {**found, "holds_for": holds_for})
    return Choice(found["runtime"], found["precision"])


def list_candidates(versions: dict[str, str | None], *, may_round: bool) -> list[Choice]:
    """Return what can be measured."""
    candidates = [USUAL]
    if versions["onnxruntime"]:
        candidates.append(Choice("onnxruntime", SINGLE))
    if may_round and runtimes.can_round():
        candidates.append(Choice("openvino", ROUNDED))
    return candidates


def write_note(note: Path, content: dict[str, Any]) -> None:
    new = note.with_name(f"{note.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):  # the network can run on a full disk
        for draft in note.parent.glob(f"{note.name}.*.tmp"):  # of a process that was killed
            draft.unlink()
        new.write_text(json.dumps(content, indent=2) + "\n")
        new.replace(note)


def measure(path: Path, threads: int, candidates: list[Choice], *, is_float: bool) -> dict[str, Any]:
    """Measure the candidates in processor time of all threads. The first is the one to compare with.

    The wall clock would also count the other networks, which are loaded and measured at the same time.
    """
    loaded = {each: runtimes.load(path, *each, threads) for each in candidates}
    image, usual = natural_noise(is_float=is_float), loaded[USUAL]
    expected = usual.run(image, usual.outputs)
    answers = {each: runtime.run(image, usual.outputs) for each, runtime in loaded.items()}
    seconds = time_each(loaded, image)
    is_good = {each: is_good_enough(each.precision, answers[each], expected) for each in candidates}
    allowed = [each for each in candidates if is_good[each] and seconds[each] < FASTER * seconds[USUAL]]
    chosen = min(allowed, key=lambda each: seconds[each], default=USUAL)
    return {
        "runtime": chosen.runtime,
        "precision": chosen.precision,
        "good_enough": {" ".join(each): good for each, good in is_good.items()},
        "seconds": {" ".join(each): taken for each, taken in seconds.items()},
    }


def time_each(loaded: dict[Choice, Runtime], image: Array) -> dict[Choice, float]:
    """Return the shortest processor time of each. They take turns."""
    seconds = dict.fromkeys(loaded, float("inf"))
    until = time.monotonic() + ENOUGH_SECONDS
    for turn in range(ROUNDS):
        for each, runtime in loaded.items():
            started = time.process_time()
            runtime.run(image, runtime.outputs)
            seconds[each] = min(seconds[each], time.process_time() - started)
        if turn and time.monotonic() > until:
            break
    return seconds


def natural_noise(*, is_float: bool) -> Array:
    """Return a tile with the spectrum of a photo. On white noise SPAN's results are nearly random."""
    random = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = 1
    waves = np.fft.irfft2(np.fft.rfft2(random.normal(size=(3, SIDE, SIDE))) / frequency**1.5, (SIDE, SIDE))
    unit = (0.5 + 0.16 * (waves - waves.mean()) / waves.std()).clip(0, 1)[None]
    return unit.astype(np.float32) if is_float else np.rint(unit * 255).astype(np.uint8)


def is_good_enough(precision: str, found: list[Array], expected: list[Array]) -> bool:
    return is_exact(found, expected) if precision == SINGLE else is_near(found, expected)


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


def is_near(found: list[Array], expected: list[Array]) -> bool:
    """Return whether the pictures differ little, and the uncertainty maps hardly at all."""
    for one, other in zip(found, expected, strict=True):
        if one.shape[1] == 1:
            if np.mean(one != other) > MAX_UNCERTAINTY:
                return False
        elif np.square(one.astype(np.float64) - other).mean() > 255**2 / 10 ** (MIN_DECIBEL / 10):
            return False
    return True
