"""Builds a network's engine for the largest batch that fits the GPU, or takes it from the cache."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serving import cache as caches
from serving.cache import Cache, Facts
from serving.configuration import ServedNetwork, for_gpu
from serving.errors import Stopped, TooLarge
from serving.machine import Machine, last_line
from serving.shapes import Shapes

ENGINE = "model.plan"
NO_MEMORY = re.compile(r"out of memory|OutOfMemory|insufficient memory", re.IGNORECASE)
LITTLE = 64 << 20
"""If less room is left, a failure counts as a full disk."""


@dataclass(frozen=True)
class Source:
    """The graph that an engine is built from."""

    path: Path
    precision: str
    """`half`: the network computes in half precision, as its graph says. `single`: everything is in single
    precision.
    """


def source_of(model: ServedNetwork, folder: Path) -> Source:
    half = folder / "1" / "half.onnx"
    if model.is_float:
        return Source(folder / "1" / "model.onnx", "single")
    if not half.exists():
        raise Stopped(f"{half} is missing")
    return Source(half, "half")


def profile_of(shapes: Shapes, context_length: int = 0) -> dict[str, str]:
    """Return the shapes that an engine is built for. A network with a context takes even sides only."""
    side, smallest = shapes.largest, 2 if context_length else 1

    def both(batch: int, side: int) -> str:
        context = f",CONTEXT:{batch}x{context_length}" if context_length else ""
        return f"IMAGE:{batch}x3x{side}x{side}{context}"

    return {
        "minShapes": both(1, smallest),
        "optShapes": both(shapes.usual, side),
        "maxShapes": both(shapes.batch, side),
    }


def facts_of(source: Source, machine: Machine, shapes: Shapes, level: int, context_length: int = 0) -> Facts:
    """Return everything that an engine depends on. Engines are the same only if all of it is."""
    return {
        "onnx_sha256": caches.sha256_of(source.path),
        "tensorrt": machine.tensorrt,
        **machine.gpu.facts,
        "precision": source.precision,
        "profile": profile_of(shapes, context_length),
        "optimization_level": level,
    }


def command_of(source: Source, machine: Machine, facts: Facts, engine: Path, timings: Path) -> list[str]:
    command = [machine.trtexec, f"--onnx={source.path}", f"--saveEngine={engine}"]
    command += [f"--{name}={value}" for name, value in facts["profile"].items()]
    # TensorRT 11 always does this, and accepts the option
    command += ["--stronglyTyped"] + (["--noTF32"] if source.precision == "single" else [])
    command += [f"--timingCacheFile={timings}", f"--builderOptimizationLevel={facts['optimization_level']}"]
    return [*command, "--skipInference"]


@contextlib.contextmanager
def timings_of(machine: Machine, cache: Cache, key: str) -> Iterator[Path]:
    """Yield a copy of the timings that earlier builds on such a machine measured. A successful build stores
    it again.
    """
    known = {"tensorrt": machine.tensorrt, **machine.gpu.facts}
    kept = cache.folder / f"{caches.key_of(known)}.timings"
    mine = cache.folder / f"{key}.{os.getpid()}.timings.tmp"
    if kept.exists():
        shutil.copyfile(kept, mine)
    try:
        yield mine
        if mine.exists():
            mine.replace(kept)
    finally:
        mine.unlink(missing_ok=True)


def run(command: list[str], engine: Path, lock: int) -> None:
    # trtexec inherits the lock, so that nobody builds beside it if only this process is killed
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        pass_fds=(lock,),
    )
    if done.returncode == 0 and engine.exists() and engine.stat().st_size:
        return
    if NO_MEMORY.search(done.stdout):
        raise TooLarge
    if shutil.disk_usage(engine.parent).free < LITTLE or "No space left" in done.stdout:
        raise Stopped(f"{engine.parent}: the disk is full")
    errors = [line for line in done.stdout.splitlines() if "[E]" in line]
    message = errors[0].strip() if errors else last_line(done.stdout)
    raise Stopped(f"trtexec failed ({done.returncode}): {message}")


class Builder:
    def __init__(self, machine: Machine, cache: Cache, level: int, *, retry: bool) -> None:
        self._machine = machine
        self._cache = cache
        self._level = level
        self._retry = retry
        self.used: set[str] = set()
        """The keys of the engines that were requested."""

    def engine_for(self, model: ServedNetwork, folder: Path, shapes: Shapes) -> tuple[Shapes, Facts]:
        """Put the engine into the model's folder. If the memory does not suffice, it is for a smaller batch
        than requested.

        Raises `Stopped`.
        """
        source = source_of(model, folder)
        while True:
            facts = facts_of(source, self._machine, shapes, self._level, model.context_length)
            found = self._take(model, source, facts, folder / "1" / ENGINE)
            if not found.get("too_large"):
                return shapes, found
            if shapes.batch == 1:
                raise Stopped(
                    f"{model.name}: the memory of {self._machine.gpu.name} does not suffice for one tile"
                )
            shapes = replace(shapes, batch=shapes.batch // 2)
            print(
                f"{model.name}: too large for {self._machine.gpu.name}, tries a batch of {shapes.batch}",
                flush=True,
            )

    def _take(self, model: ServedNetwork, source: Source, facts: Facts, target: Path) -> Facts:
        key, cache = caches.key_of(facts), self._cache
        self.used.add(key)
        with cache.locked(key, f"{model.name}: waits for another builder of the same engine") as lock:
            found = cache.find(key)
            if found is None or (found.get("too_large") and self._retry):
                found = self._build(model, source, facts, lock)
        if not found.get("too_large"):
            place(cache, key, found, target)
        return found

    def _build(self, model: ServedNetwork, source: Source, facts: Facts, lock: int) -> Facts:
        key, started = caches.key_of(facts), time.monotonic()
        engine = self._cache.draft(key)
        print(f"{model.name}: builds its engine, {facts['profile']['maxShapes']} at most", flush=True)
        try:
            with timings_of(self._machine, self._cache, key) as timings:
                run(command_of(source, self._machine, facts, engine, timings), engine, lock)
        except TooLarge:
            return self._cache.put_too_large(key, facts)
        except Stopped as error:
            raise Stopped(f"{model.name}: {error}") from None
        print(f"{model.name}: built in {time.monotonic() - started:.0f} s", flush=True)
        return self._cache.put(key, engine, facts)


def place(cache: Cache, key: str, found: Facts, target: Path) -> None:
    """Copy an engine to the model, unless it is there. Raises `Stopped`."""
    with caches.disk_errors(target.parent):
        if target.exists() and caches.sha256_of(target) == found["sha256"]:
            return
        caches.copy_whole(cache.engine(key), target)
        if caches.sha256_of(target) != found["sha256"]:
            target.unlink()
            raise Stopped(f"{cache.engine(key)} is broken: it changed while it was copied")


def models_of(repository: Path) -> list[ServedNetwork]:
    try:
        models: dict[str, Any] = json.loads((repository / "manifest.json").read_text())["models"]
        return [
            ServedNetwork(
                name,
                entry["is_float"],
                entry["has_uncertainty"],
                json.dumps(entry["description"]),
                tuple(entry.get("pooled", ())),
                is_lazy=entry.get("is_lazy", False),
            )
            for name, entry in models.items()
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Stopped(
            f"{repository} is no model repository of ours: {type(error).__name__} {error}"
        ) from None


def write_repository(
    repository: Path, built: dict[str, tuple[ServedNetwork, Shapes, Facts]], instances: int
) -> None:
    """Write the configurations for the engines as they are, and `engines.json`, which says what each of them
    is.
    """
    with caches.disk_errors(repository):
        for model, shapes, _ in built.values():
            text = for_gpu(model, shapes, instances)
            caches.write_whole(repository / model.name / "config.pbtxt", text)
        listed = {f"{name}/1/{ENGINE}": facts for name, (_, _, facts) in built.items()}
        caches.write_whole(repository / "engines.json", json.dumps(listed, indent=2) + "\n")
