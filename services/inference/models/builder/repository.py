"""Reads and writes Triton's model repository: configurations and back end as they are checked in, graphs as
built.

`manifest.json` records what the repository was built from, and the SHA-256 of every file. Files that are
still correct are not built again. A new repository is written beside the old one and then replaces it as a
whole.
"""

import hashlib
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.registry import Network, describe, description
from serving.configuration import ServedNetwork, for_cpu, for_gpu
from serving.shapes import shapes_of

HERE = Path(__file__).resolve().parent
SERVING = HERE.parent / "serving"
BACKEND = HERE.parent / "backend"
MANIFEST = "manifest.json"
ENGINE_BUILDER = "engines.pyz"
START = "from serving.__main__ import main\n\nraise SystemExit(main())\n"
SINGLE, HALF = "1/model.onnx", "1/half.onnx"


@dataclass(frozen=True)
class Built:
    graph: bytes
    difference: float
    """The largest difference from the original network in its own runtime."""
    half: bytes | None = None
    """The network in half precision, for engines. None for pictures of 16 bits, which need single precision.
    """
    half_decibel: float | None = None


class Repository:
    """An existing repository, as far as it is what the builder would write now."""

    def __init__(self, folder: Path, requirements: Path) -> None:
        self.folder = folder
        self.fingerprint = fingerprint(requirements)
        recorded = read_manifest(folder)
        is_current = recorded.get("built_from") == self.fingerprint
        self.former = set(recorded.get("models", {}))
        """The names of all networks in the repository, whatever they were built from."""
        self.left_out: dict[str, str] = recorded.get("left_out", {}) if is_current else {}
        """The networks that could not be fetched, with the reason. They are only tried again on request."""
        self._models: dict[str, Any] = recorded["models"] if is_current else {}
        self.intact = {name for name, entry in self._models.items() if self._is_intact(entry)}
        self.has_engine_builder = is_current and self._is_intact(recorded)
        """Whether the program that builds engines is intact. It belongs to no network."""

    def _is_intact(self, entry: dict[str, Any]) -> bool:
        try:
            return all(sha256(self.folder / path) == digest for path, digest in entry["files"].items())
        except OSError:
            return False

    def read(self, name: str) -> Built:
        entry, folder = self._models[name], self.folder / name
        half = folder / HALF
        return Built(
            graph=(folder / SINGLE).read_bytes(),
            difference=entry["difference_from_ncnn"],
            half=half.read_bytes() if half.exists() else None,
            half_decibel=entry["half_decibel"],
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
    """Return a digest of everything that the repository is made from."""
    parts = [path for folder in (HERE, SERVING, BACKEND) for path in sorted(folder.glob("*.p*"))]
    listed = [f"{path.relative_to(path.parents[1])} {sha256(path)}" for path in (*parts, requirements)]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def served(network: Network) -> ServedNetwork:
    """Return what the configuration must know about the network."""
    return ServedNetwork(
        network.name,
        network.is_float,
        network.has_uncertainty,
        description(network),
        network.pooled,
        is_lazy=network.is_lazy,
    )


def write_network(network: Network, built: Built, folder: Path) -> None:
    own = folder / network.name
    version = own / "1"
    version.mkdir(parents=True)
    (own / "configs").mkdir()
    (own / "config.pbtxt").write_text(for_gpu(served(network), shapes_of(network.name)))
    (own / "configs" / "cpu.pbtxt").write_text(for_cpu(served(network)))
    for path in BACKEND.glob("*.py"):
        shutil.copyfile(path, version / path.name)
    (own / SINGLE).write_bytes(built.graph)
    if built.half is not None:
        (own / HALF).write_bytes(built.half)


def write_engine_builder(path: Path) -> None:
    """Write `serving` as one file for Triton's container, which has this folder and nothing else of ours."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(SERVING.glob("*.p*")):
            archive.writestr(zipfile.ZipInfo(f"serving/{source.name}"), source.read_bytes())
        archive.writestr(zipfile.ZipInfo("__main__.py"), START)


def manifest_entry(network: Network, built: Built, folder: Path) -> dict[str, Any]:
    files = sorted(path for path in (folder / network.name).rglob("*") if path.is_file())
    return {
        "is_float": network.is_float,
        "has_uncertainty": network.has_uncertainty,
        "pooled": list(network.pooled),
        "is_lazy": network.is_lazy,
        "description": describe(network),
        "weights": {"package": network.package, "path": network.path, "sha256": network.bin_sha256},
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


def write(repository: Repository, networks: dict[Network, Built], left_out: dict[str, str]) -> None:
    folder = repository.folder
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    manifest: dict[str, Any] = {"built_from": repository.fingerprint, "left_out": left_out, "models": {}}
    for network, built in networks.items():
        write_network(network, built, new)
        manifest["models"][network.name] = manifest_entry(network, built, new)
    write_engine_builder(new / ENGINE_BUILDER)
    manifest["files"] = {ENGINE_BUILDER: sha256(new / ENGINE_BUILDER)}
    (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    replace(folder, new)
