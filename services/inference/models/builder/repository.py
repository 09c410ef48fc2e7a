"""Writes the model repository: configurations and back end as they are checked in, graphs as they are built.

Its `manifest.json` records what it was built from and the SHA-256 of every file; as long as both are
right there is nothing to do. It is written beside the old one and takes its place whole.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from builder.registry import MODELS, Model

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE.parent / "repository"
BACKEND = HERE.parent / "backend" / "model.py"
MANIFEST = "manifest.json"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sources(requirements: Path) -> list[Path]:
    return [*sorted(HERE.glob("*.py")), *sorted(TEMPLATES.rglob("*.pbtxt")), BACKEND, requirements]


def fingerprint(requirements: Path) -> str:
    """Changes whenever something changes that the repository is made from."""
    listed = [f"{path.relative_to(path.parents[1])} {sha256(path)}" for path in sources(requirements)]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def is_current(folder: Path, requirements: Path) -> bool:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        return manifest["built_from"] == fingerprint(requirements) and all(
            sha256(folder / path) == digest
            for model in manifest["models"].values()
            for path, digest in model["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def configured(model: Model, text: str) -> str:
    """The configuration of the model that this one is a variant of, under its own name and types."""
    if not model.served_as:
        return text
    lines = text.replace(f'"{model.served_as}"', f'"{model.name}"').splitlines()
    pictures = ("IMAGE", "UPSCALED")
    return "\n".join(
        line.replace("TYPE_UINT8", "TYPE_FP32") if any(name in line for name in pictures) else line
        for line in (*lines, "")
    )


def write_model(model: Model, graph: bytes, folder: Path) -> None:
    template = TEMPLATES / (model.served_as or model.name)
    for path in sorted(template.rglob("*.pbtxt")):
        target = folder / model.name / path.relative_to(template)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(configured(model, path.read_text()))
    version = folder / model.name / "1"
    version.mkdir()
    shutil.copyfile(BACKEND, version / "model.py")
    (version / "model.onnx").write_bytes(graph)


def describe(model: Model, difference: float, folder: Path) -> dict[str, Any]:
    files = sorted(path for path in (folder / model.name).rglob("*") if path.is_file())
    return {
        "scale": model.scale,
        "overlap": model.overlap,
        "architecture": model.architecture,
        "weights": {"package": model.package, "path": model.path, "sha256": model.bin_sha256},
        "origin": model.origin,
        "licence": model.licence,
        "difference_from_ncnn": difference,
        "files": {str(path.relative_to(folder)): sha256(path) for path in files},
    }


def replace(folder: Path, new: Path) -> None:
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def write(graphs: dict[str, tuple[bytes, float]], folder: Path, requirements: Path) -> None:
    """`graphs` holds each model's graph and how far it is from the original."""
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    manifest: dict[str, Any] = {"built_from": fingerprint(requirements), "models": {}}
    for model in MODELS:
        graph, difference = graphs[model.name]
        write_model(model, graph, new)
        manifest["models"][model.name] = describe(model, difference, new)
    (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    replace(folder, new)
