"""Writes the model repository: configurations and back end as they are checked in, graphs as they are built.

Its `manifest.json` records what it was built from and the SHA-256 of every file; what is right there is not
built again. It is written beside the old one and takes its place whole.
"""

import hashlib
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.registry import Model
from serving.configuration import Served, for_cpu, for_gpu
from serving.shapes import shapes_of

HERE = Path(__file__).resolve().parent
SERVING = HERE.parent / "serving"
BACKEND = HERE.parent / "backend"
MANIFEST = "manifest.json"
ENGINES = "engines.pyz"
START = "from serving.__main__ import main\n\nraise SystemExit(main())\n"
SINGLE, HALF = "1/model.onnx", "1/half.onnx"


@dataclass(frozen=True)
class Built:
    graph: bytes
    difference: float
    """The largest from the original network in its own runtime."""
    half: bytes | None = None
    """For engines: the network in half precision. None where single precision is the point."""
    half_decibel: float | None = None


class Repository:
    """What is there of it, as far as it is what would be built now."""

    def __init__(self, folder: Path, requirements: Path) -> None:
        self.folder = folder
        self.fingerprint = fingerprint(requirements)
        recorded = read_manifest(folder)
        is_ours = recorded.get("built_from") == self.fingerprint
        self.former = set(recorded.get("models", {}))
        """The names of all that was there, built from whatever."""
        self.left_out: dict[str, str] = recorded.get("left_out", {}) if is_ours else {}
        """What could not be had, and why; not tried again unless it is asked for."""
        self._models: dict[str, Any] = recorded["models"] if is_ours else {}
        self.whole = {name for name, told in self._models.items() if self._is_whole(told)}
        self.has_engines = is_ours and self._is_whole(recorded)
        """Whether what builds engines is as it should be; it is no model's."""

    def _is_whole(self, told: dict[str, Any]) -> bool:
        try:
            return all(sha256(self.folder / path) == digest for path, digest in told["files"].items())
        except OSError:
            return False

    def built(self, name: str) -> Built:
        told, folder = self._models[name], self.folder / name
        half = folder / HALF
        return Built(
            graph=(folder / SINGLE).read_bytes(),
            difference=told["difference_from_ncnn"],
            half=half.read_bytes() if half.exists() else None,
            half_decibel=told["half_decibel"],
        )


def read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        return manifest if isinstance(manifest["models"], dict) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprint(requirements: Path) -> str:
    """Changes whenever something changes that the repository is made from."""
    parts = [path for folder in (HERE, SERVING, BACKEND) for path in sorted(folder.glob("*.p*"))]
    listed = [f"{path.relative_to(path.parents[1])} {sha256(path)}" for path in (*parts, requirements)]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def write_model(model: Model, built: Built, folder: Path) -> None:
    served = Served(model.name, model.floats, model.guarded)
    version = folder / model.name / "1"
    version.mkdir(parents=True)
    (folder / model.name / "configs").mkdir()
    (folder / model.name / "config.pbtxt").write_text(for_gpu(served, shapes_of(model.name)))
    (folder / model.name / "configs" / "cpu.pbtxt").write_text(for_cpu(served))
    for path in BACKEND.glob("*.py"):
        shutil.copyfile(path, version / path.name)
    (folder / model.name / SINGLE).write_bytes(built.graph)
    if built.half is not None:
        (folder / model.name / HALF).write_bytes(built.half)


def write_engines(path: Path) -> None:
    """`serving` as one file, for Triton's container, which has this folder and nothing else of ours."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(SERVING.glob("*.p*")):
            archive.writestr(zipfile.ZipInfo(f"serving/{source.name}"), source.read_bytes())
        archive.writestr(zipfile.ZipInfo("__main__.py"), START)


def describe(model: Model, built: Built, folder: Path) -> dict[str, Any]:
    files = sorted(path for path in (folder / model.name).rglob("*") if path.is_file())
    return {
        "scale": model.scale,
        "overlap": model.overlap,
        "floats": model.floats,
        "guarded": model.guarded,
        "architecture": model.architecture,
        "weights": {"package": model.package, "path": model.path, "sha256": model.bin_sha256},
        "origin": model.origin,
        "licence": model.licence,
        "difference_from_ncnn": built.difference,
        "half_decibel": built.half_decibel,
        "files": {str(path.relative_to(folder)): sha256(path) for path in files},
    }


def replace(folder: Path, new: Path) -> None:
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def write(repository: Repository, models: dict[Model, Built], left_out: dict[str, str]) -> None:
    folder = repository.folder
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    manifest: dict[str, Any] = {"built_from": repository.fingerprint, "left_out": left_out, "models": {}}
    for model, built in models.items():
        write_model(model, built, new)
        manifest["models"][model.name] = describe(model, built, new)
    write_engines(new / ENGINES)
    manifest["files"] = {ENGINES: sha256(new / ENGINES)}
    (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    replace(folder, new)
