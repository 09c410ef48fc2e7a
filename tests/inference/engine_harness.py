"""Simulates Triton's container on a machine with a GPU, with stand-ins for NVIDIA's two programs.

Its model repository has two networks. Their graphs are arbitrary bytes.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loupe_local.triton import MODELS as REPOSITORY

PROGRAM = REPOSITORY / "engines.pyz"
SECONDS = 60.0

TRTEXEC = """
import hashlib, json, os, pathlib, sys, time
folder = pathlib.Path(os.environ["HARNESS_FOLDER"])
machine = json.loads((folder / "machine.json").read_text())
print(f"&&&& RUNNING TensorRT.trtexec [TensorRT v{machine['tensorrt']}] [b10] # trtexec", flush=True)
if "--help" in sys.argv:
    sys.exit(0)
options = dict(each.lstrip("-").partition("=")[::2] for each in sys.argv[1:])
timing_cache = pathlib.Path(options["timingCacheFile"])
known_timings = timing_cache.read_text() if timing_cache.exists() else ""
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps({**options, "known_timings": known_timings, "pid": os.getpid()}) + "\\n")
if machine["largest"] < int(options["maxShapes"].partition(":")[2].split("x")[0]):
    sys.exit("[E] Error[2]: [resizePhysical::145] Error Code 2: OutOfMemory (no further information)")
if machine["failure"]:
    sys.exit(machine["failure"])
if machine["silent"]:
    sys.exit(0)
graph = hashlib.sha256(pathlib.Path(options["onnx"]).read_bytes()).hexdigest()
with pathlib.Path(options["saveEngine"]).open("w") as engine:
    engine.write(f"{graph} {options['maxShapes']} ")
    engine.flush()
    while (folder / "pause").exists():
        time.sleep(0.01)
    engine.write("whole")
timing_cache.write_text(known_timings + "timed ")
"""
NVIDIA_SMI = """
import json, os, pathlib, sys
machine = json.loads((pathlib.Path(os.environ["HARNESS_FOLDER"]) / "machine.json").read_text())
print(machine["slices"] if "--list-gpus" in sys.argv else machine["gpu"])
sys.exit(machine["smi_exit"])
"""
MACHINE = {
    "gpu": "NVIDIA L4, 8.9, 23034 MiB",
    "slices": "GPU 0: NVIDIA L4 (UUID: GPU-0)",
    "smi_exit": 0,
    "tensorrt": "101602",
    "largest": 8,
    "failure": "",
    "silent": False,
}


@dataclass
class EngineHarness:
    """The container: its programs, its cache of engines, and the builders that were started."""

    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def pause(self) -> Path:
        """While this file exists, trtexec waits after it has written half of its engine."""
        return self.folder / "pause"

    def set_machine(self, **changes: Any) -> None:
        """Change what the programs report and how they fail. `MACHINE` lists the options."""
        (self.folder / "machine.json").write_text(json.dumps(MACHINE | changes))

    def calls(self) -> list[dict[str, Any]]:
        """Return the arguments of each build by trtexec, in order."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def start(self, repository: Path, *options: str) -> subprocess.Popen[str]:
        """Start the builder of engines."""
        # -S: only with Python's standard library
        command = [sys.executable, "-S", str(PROGRAM), str(repository), "--cache", str(self.cache), *options]
        environment = {"PATH": str(self.folder / "bin"), "HARNESS_FOLDER": str(self.folder)}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
        self.started.append(process)
        return process

    def run(self, repository: Path, *options: str) -> tuple[int, str, str]:
        """Run the builder of engines. Return its exit status, output and errors."""
        process = self.start(repository, *options)
        out, error = process.communicate(timeout=SECONDS)
        return process.returncode, out, error

    def close(self) -> None:
        """End the processes that a failed test left running."""
        self.pause.unlink(missing_ok=True)
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def repository(self, name: str = "repository", graph: bytes = b"") -> Path:
        """Write a model repository. `graph` is appended to every graph."""
        folder = self.folder / name
        models = {"span_x2": True, "realesrgan_x4plus_float": False}
        for model in models:
            (folder / model / "1").mkdir(parents=True)
            (folder / model / "1" / "model.onnx").write_bytes(f"{model} single".encode() + graph)
        (folder / "span_x2" / "1" / "half.onnx").write_bytes(b"span_x2 half" + graph)
        entries = {
            name: {"is_float": name.endswith("_float"), "has_uncertainty": has_uncertainty, "description": {}}
            for name, has_uncertainty in models.items()
        }
        (folder / "manifest.json").write_text(json.dumps({"models": entries}))
        return folder


def make_engine_harness(folder: Path) -> EngineHarness:
    (folder / "bin").mkdir()
    for name, text in (("trtexec", TRTEXEC), ("nvidia-smi", NVIDIA_SMI)):
        program = folder / "bin" / name
        program.write_text(f"#!{sys.executable} -S{text}")
        program.chmod(0o755)
    harness = EngineHarness(folder)
    harness.set_machine()
    return harness


def engine_in(repository: Path, model: str = "span_x2") -> Path:
    return repository / model / "1" / "model.plan"


def manifest_of(repository: Path) -> dict[str, Any]:
    return json.loads((repository / "engines.json").read_text())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def until(condition: Callable[[], object], description: str) -> None:
    """Poll until the condition is true. The description says what is expected."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"{description}: not within {SECONDS} s"
        os.sched_yield()
